'use strict';

const { execFile } = require('child_process');
const path = require('path');
const { framework } = require('./framework');
const { Refusal } = require('./refusal');
const { failed, lines } = require('./report');

// brokerctl bounds each policy itself; one that is not back by then has hung.
const PATIENCE = 2 * 60 * 1000;
const LONGEST_REPORT = 64 * 1024 * 1024;
const WHEN_ALL_IS_WELL = new Set([0, 1]);

/**
 * Checks the packaged service against the profile's safeguards, prints the report, and throws when one blocks. What cannot
 * be checked is blocked too.
 *
 * @param {object} given
 * @param {import('./broker').Broker} given.broker
 * @param {import('./service').Service} given.service
 * @param {string} given.directory where the artifacts are
 * @param {(line: string) => void} given.print
 */
async function check({ broker, service, directory, print }) {
  const { profile, safeguards, brokerctl } = await broker.welcome();
  if (!safeguards) return print(`The profile ${profile} has no safeguard.`);
  print('Safeguards Processing...');
  const report = await run(brokerctl || 'brokerctl', service, directory);
  lines(report, path.basename(service.config)).forEach((line) => print(line));
  const titles = failed(report);
  if (!titles.length) return undefined;
  await note(broker, titles, print);
  const what = titles.length === 1 ? 'a safeguard that it breaks' : `${titles.length} safeguards that it breaks`;
  throw new Refusal(`not deployed: the profile ${profile} has ${what}: ${titles.join(', ')}`, {
    code: 'BROKERD_SAFEGUARDS',
  });
}

// That it was not written down is no reason to say less of why nothing is deployed.
async function note(broker, titles, print) {
  try {
    await broker.blocked(titles);
  } catch (error) {
    print(`brokerd: this is not in the audit log: ${error.message}`);
  }
}

function run(brokerctl, service, directory) {
  const words = ['check', service.config, '--package', directory, '--stage', service.stage, '--region', service.region];
  words.push('--framework-version', framework(service.serverless).version, '--json');
  const options = { cwd: service.directory, timeout: PATIENCE, maxBuffer: LONGEST_REPORT };
  return new Promise((resolve, reject) => {
    execFile(brokerctl, words, options, (error, out, said) => {
      const report = !error || WHEN_ALL_IS_WELL.has(error.code) ? read(out) : null;
      if (report) return resolve(report);
      const why = error && error.code === 'ENOENT' ? `${brokerctl} is not there` : lastLines(said) || ending(error);
      return reject(
        new Refusal(`not deployed: the safeguards could not be checked: ${why}`, {
          hint: 'brokerctl check shows why',
          code: 'BROKERD_SAFEGUARDS_UNKNOWN',
        })
      );
    });
  });
}

function read(out) {
  try {
    const report = JSON.parse(out);
    return Array.isArray(report.entries) ? report : null;
  } catch (_) {
    return null;
  }
}

function lastLines(text) {
  return text.trim().split('\n').slice(-3).join('\n');
}

function ending(error) {
  if (!error) return 'brokerctl printed no report';
  return error.killed ? `brokerctl did not end within ${PATIENCE / 1000} seconds` : `brokerctl ended with ${error.code || error.signal}`;
}

module.exports = { check };
