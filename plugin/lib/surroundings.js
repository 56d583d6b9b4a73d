'use strict';

const { Refusal } = require('./refusal');

const PLAIN = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
  'AWS_DEFAULT_PROFILE',
];
const OF_STAGE = ['ACCESS_KEY_ID', 'SECRET_ACCESS_KEY', 'SESSION_TOKEN', 'PROFILE'];

/**
 * Takes variables out of the environment that lead the CLI, other plugins and what they start to other credentials.
 *
 * @returns {string[]} the names of those that were there
 */
function setAside(environment, stage) {
  const names = [...PLAIN, ...OF_STAGE.map((name) => `AWS_${stage.toUpperCase()}_${name}`)];
  const found = names.filter((name) => environment[name] !== undefined);
  for (const name of found) delete environment[name];
  return found;
}

/** An option that asks for other credentials by name is a contradiction, not something left over from earlier. */
function refuseOtherProfile(options) {
  const named = options['aws-profile'];
  if (!named) return;
  throw new Refusal(`--aws-profile ${named} asks for other credentials than the deployment profile's`, {
    hint: 'leave it out, or take serverless-brokerd out of plugins',
    code: 'BROKERD_OTHER_PROFILE',
  });
}

module.exports = { refuseOtherProfile, setAside };
