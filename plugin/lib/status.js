'use strict';

/**
 * What `serverless brokerd status` prints.
 *
 * @param {object} welcome the daemon's decision
 * @param {{name: string, version: string}} framework
 * @returns {string[]}
 */
function lines(welcome, framework) {
  const rows = [
    ['decision', `${welcome.app}.${welcome.stage}`],
    ['profile', welcome.profile],
    ['matched', welcome.matched],
    ['account', welcome.account],
    ['region', welcome.region],
    ['session', welcome.expires && `until ${welcome.expires}`],
    ['safeguards', `${welcome.safeguards}, checked by serverless deploy and serverless brokerd check`],
    ['secrets', welcome.secrets.map(secret).join(', ') || 'none'],
    ['framework', `${framework.name} ${framework.version}`],
  ];
  const known = rows.filter(([, value]) => value !== undefined && value !== null && value !== '');
  const out = known.map(([name, value]) => `${`${name}:`.padEnd(12)}${value}`);
  return welcome.note ? [...out, `note: ${welcome.note}`] : out;
}

function secret({ name, source, reference }) {
  return `${name} (${source}${reference ? ', as a reference' : ''})`;
}

module.exports = { lines };
