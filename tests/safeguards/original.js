// Writes what the original says of each case: `node original.js DIRECTORY`, where DIRECTORY has node_modules with
// @serverless/safeguards-plugin. A policy that throws has the verdict "error": its deployment ends with that error.
'use strict';

const fs = require('fs');
const path = require('path');

const policies = path.join(process.argv[2], 'node_modules/@serverless/safeguards-plugin/safeguards/policies');
const TEMPLATE = 'cloudformation-template-update-stack.json';
const STATE = 'serverless-state.json';
const read = (...parts) => JSON.parse(fs.readFileSync(path.join(__dirname, ...parts), 'utf8'));

function artifacts(service) {
  const directory = path.join(__dirname, 'services', service);
  if (fs.existsSync(directory)) {
    return { [TEMPLATE]: read('services', service, TEMPLATE), [STATE]: read('services', service, STATE) };
  }
  const both = read('services', `${service}.json`);
  return { [TEMPLATE]: { Resources: both.resources }, [STATE]: { service: both.service } };
}

const normal = (name) => name.replace(/-/g, 'Dash').replace(/_/g, 'Underscore');
const naming = {
  getLambdaLogicalId: (name) => `${normal(name)[0].toUpperCase()}${normal(name).slice(1)}LambdaFunction`,
};

async function verdict({ policy, config, service, stage = 'dev', region = 'us-east-1' }) {
  const compiled = artifacts(service);
  const said = { approved: false, failed: false };
  const handle = { approve: () => (said.approved = true), fail: () => (said.failed = true) };
  const provider = { naming, getStage: () => stage, getRegion: () => region };
  const whole = { compiled, declaration: compiled[STATE].service, provider, frameworkVersion: '4.3.1' };
  try {
    await require(path.join(policies, policy))(handle, whole, config);
  } catch {
    return 'error';
  }
  return said.failed ? 'failed' : said.approved ? 'passed' : 'neither';
}

// The policies look at the machine's clock, and each case at the same moment.
const Real = Date;
const MOMENT = Real.UTC(2026, 10, 24, 12);
global.Date = class extends Real {
  constructor(...words) {
    super(...(words.length ? words : [MOMENT]));
  }
  static now() {
    return MOMENT;
  }
};
process.env.TZ = 'UTC';

(async () => {
  const verdicts = {};
  for (const one of read('cases.json')) verdicts[one.name] = await verdict(one);
  process.stdout.write(`${JSON.stringify(verdicts, null, 2)}\n`);
})();
