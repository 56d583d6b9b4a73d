'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { test } = require('node:test');
const Brokerd = require('../lib');
const { lines } = require('../lib/report');
const { StandIn, WELCOME, cli } = require('./stand_in');

const REPORT = {
  app: 'shop',
  stage: 'dev',
  profile: 'dev',
  passed: 1,
  failed: 1,
  warned: 1,
  skipped: 1,
  file: '/srv/shop/serverless.yml',
  entries: [
    { policy: 'allowed-regions', title: null, description: null, verdict: 'passed', skipped: null, findings: [] },
    {
      policy: 'no-wild-iam-role-statements',
      title: 'No wild statements',
      description: 'Ask the platform team.\nThey answer.',
      verdict: 'failed',
      skipped: null,
      findings: [{ message: 'Action "*" is allowed', resource: 'Role', line: 7, column: 3 }],
    },
    { policy: 'require-dlq', title: null, description: null, verdict: 'warned', skipped: null, findings: [{ message: 'no queue', resource: null }] },
    { policy: 'javascript', title: null, description: null, verdict: 'skipped', skipped: 'not known', findings: [] },
  ],
};

test('the report', () => {
  assert.deepStrictEqual(lines(REPORT, 'serverless.yml'), [
    'Safeguards Results:',
    '',
    '   Summary',
    '   passed  - allowed-regions',
    '   failed  - No wild statements',
    '   warned  - require-dlq',
    '   skipped - javascript',
    '',
    '   Details',
    '   1) Failed - No wild statements',
    '      Action "*" is allowed',
    '      at serverless.yml:7 (Role)',
    '      Ask the platform team.',
    '      They answer.',
    '      details: brokerctl safeguard explain no-wild-iam-role-statements',
    '   2) Warned - require-dlq',
    '      no queue',
    '      at serverless.yml',
    '      details: brokerctl safeguard explain require-dlq',
    '   3) Skipped - javascript',
    '      not known',
    '',
    'Safeguards Summary: 1 passed, 1 failed, 1 warned, 1 skipped',
  ]);
});

/** A brokerctl that prints this and ends so; its words are written to a file. */
function brokerctl(directory, { print = '', code = 0, complain = '' }) {
  const file = path.join(directory, 'brokerctl');
  fs.writeFileSync(path.join(directory, 'report'), print);
  const script = `#!/bin/sh\nprintf '%s\\n' "$@" > '${directory}/words'\ncat '${directory}/report'\necho '${complain}' >&2\nexit ${code}\n`;
  fs.writeFileSync(file, script, { mode: 0o755 });
  return file;
}

async function deploy(program, noted = { reply: 'plugin-noted' }) {
  const daemon = await new StandIn({ 'plugin-blocked': noted }).listen();
  const named = typeof program === 'string' ? program : brokerctl(daemon.runtime, program);
  daemon.answers['plugin-hello'] = { ...WELCOME, safeguards: 4, brokerctl: named };
  const serverless = cli({ directory: daemon.runtime });
  fs.mkdirSync(path.join(daemon.runtime, '.serverless'));
  const plugin = new Brokerd(serverless, {}, serverless.utilities);
  await plugin.asyncInit();
  const error = await plugin.hooks['before:deploy:deploy']().then(() => null, (reason) => reason);
  const file = path.join(daemon.runtime, 'words');
  const words = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n') : [];
  const { asked, runtime } = daemon;
  await daemon.close();
  return { asked, error, runtime, said: serverless.said, words };
}

test('a failed safeguard stops the deploy, and the daemon hears of it', async () => {
  const { asked, error, runtime, said, words } = await deploy({ print: JSON.stringify(REPORT), code: 1 });
  assert.match(error.message, /^brokerd: not deployed: the profile dev has a safeguard that it breaks: No wild statements$/);
  assert.strictEqual(error.code, 'BROKERD_SAFEGUARDS');
  assert.deepStrictEqual(asked[asked.length - 1], { request: 'plugin-blocked', failed: ['No wild statements'] });
  assert.ok(said.includes('   failed  - No wild statements'));
  assert.deepStrictEqual(words, [
    'check',
    path.join(runtime, 'serverless.yml'),
    '--package',
    path.join(runtime, '.serverless'),
    '--stage',
    'dev',
    '--region',
    'eu-west-1',
    '--framework-version',
    '3.40.0',
    '--json',
  ]);
});

test('a daemon that cannot note it does not hide why nothing is deployed', async () => {
  const { error, said } = await deploy({ print: JSON.stringify(REPORT), code: 1 }, '');
  assert.match(error.message, /^brokerd: not deployed: .*No wild statements$/);
  const note = 'brokerd: this is not in the audit log: the daemon ended the connection without an answer';
  assert.ok(said.includes(note), said.join('\n'));
});

test('a warning is printed, and the deploy goes on', async () => {
  const entries = REPORT.entries.filter((entry) => entry.verdict !== 'failed');
  const { error, said } = await deploy({ print: JSON.stringify({ ...REPORT, failed: 0, entries }) });
  assert.strictEqual(error, null);
  assert.ok(said.includes('   warned  - require-dlq'));
});

test('what cannot be checked is not deployed', async () => {
  const cases = [
    [{ code: 3, complain: 'error: brokerd is not running' }, /could not be checked: error: brokerd is not running/],
    [{ code: 1, complain: 'error: no artifacts' }, /could not be checked: error: no artifacts/],
    [{ code: 0, print: 'no report' }, /could not be checked: brokerctl printed no report/],
    [{ code: 0, print: '{}' }, /printed no report/],
    [{ code: 139 }, /brokerctl ended with 139/],
    ['/nowhere/brokerctl', /\/nowhere\/brokerctl is not there/],
  ];
  for (const [program, expected] of cases) {
    const { error } = await deploy(program);
    assert.match(error.message, expected);
    assert.strictEqual(error.code, 'BROKERD_SAFEGUARDS_UNKNOWN');
  }
});

test('what is checked is where the CLI leaves the package', async () => {
  const cases = [
    [undefined, '.serverless'],
    ['build', 'build'],
    // The CLI moves nothing to such a name.
    ['build/.serverless', '.serverless'],
  ];
  for (const [named, expected] of cases) {
    const daemon = await new StandIn().listen();
    const program = brokerctl(daemon.runtime, { print: JSON.stringify({ ...REPORT, entries: [] }) });
    daemon.answers['plugin-hello'] = { ...WELCOME, safeguards: 1, brokerctl: program };
    const serverless = cli({ command: 'brokerd check', directory: daemon.runtime });
    serverless.service.package = { path: named };
    const plugin = new Brokerd(serverless, {}, serverless.utilities);
    await plugin.asyncInit();
    await plugin.hooks['brokerd:check:check']();
    const words = fs.readFileSync(path.join(daemon.runtime, 'words'), 'utf8').split('\n');
    assert.strictEqual(words[words.indexOf('--package') + 1], path.join(daemon.runtime, expected));
    await daemon.close();
  }
});

/** A deploy up to its hooks, whose brokerctl writes down what it was to check, and finds something in a template with `forbidden`. */
async function deploying({ safeguards = 1, forbidden = 'nothing' } = {}) {
  const daemon = await new StandIn({ 'plugin-blocked': { reply: 'plugin-noted' } }).listen();
  const template = path.join(daemon.runtime, '.serverless', 'cloudformation-template-update-stack.json');
  fs.mkdirSync(path.dirname(template));
  fs.writeFileSync(template, JSON.stringify({ Resources: {} }, null, 2));
  const program = path.join(daemon.runtime, 'brokerctl');
  fs.writeFileSync(path.join(daemon.runtime, 'failed'), JSON.stringify({ ...REPORT, entries: [REPORT.entries[1]] }));
  fs.writeFileSync(path.join(daemon.runtime, 'passed'), JSON.stringify({ ...REPORT, entries: [] }));
  const script = `cd '${daemon.runtime}' && cat '${template}' >> checked\ngrep -q ${forbidden} '${template}' && cat failed || cat passed\n`;
  fs.writeFileSync(program, `#!/bin/sh\n${script}`, { mode: 0o755 });
  daemon.answers['plugin-hello'] = { ...WELCOME, safeguards, brokerctl: program };
  const serverless = cli({ directory: daemon.runtime });
  const plugin = new Brokerd(serverless, {}, serverless.utilities);
  await plugin.asyncInit();
  const hook = async (name) => {
    const error = await plugin.hooks[name]().then(() => null, (reason) => reason);
    const seen = path.join(daemon.runtime, 'checked');
    const checked = fs.existsSync(seen) ? fs.readFileSync(seen, 'utf8').replace(/\s/g, '') : '';
    return { error, checked };
  };
  return { daemon, hook, provider: serverless.service.provider, template };
}

const DEPLOY = 'before:deploy:deploy';
const STACK = 'before:aws:deploy:deploy:createStack';
const UPLOADED = 'after:aws:deploy:deploy:uploadArtifacts';
const NONE = '{"Resources":{}}';
const ROLE = '{"Resources":{"Role":{}}}';

test('what the CLI has in memory is what is checked', async () => {
  const { daemon, hook, provider, template } = await deploying();
  const packaged = fs.readFileSync(template, 'utf8');
  assert.deepStrictEqual(await hook(DEPLOY), { error: null, checked: NONE });
  assert.strictEqual(fs.readFileSync(template, 'utf8'), packaged, 'the same is not written anew');
  assert.deepStrictEqual(await hook(STACK), { error: null, checked: NONE }, 'the same is not checked twice');
  // As a plugin does that stands after this one.
  provider.compiledCloudFormationTemplate.Resources.Role = {};
  assert.deepStrictEqual(await hook(STACK), { error: null, checked: NONE + ROLE });
  assert.deepStrictEqual(await hook(UPLOADED), { error: null, checked: NONE + ROLE });
  await daemon.close();

  const earlier = await deploying();
  earlier.provider.compiledCloudFormationTemplate.Resources.Role = {};
  assert.deepStrictEqual(await earlier.hook(DEPLOY), { error: null, checked: ROLE });
  await earlier.daemon.close();
});

test('a change that a safeguard forbids stops the deploy when it is made after packaging, too', async () => {
  const { daemon, hook, provider } = await deploying({ forbidden: 'Role' });
  assert.strictEqual((await hook(DEPLOY)).error, null);
  provider.compiledCloudFormationTemplate.Resources.Role = {};
  assert.strictEqual((await hook(STACK)).error.code, 'BROKERD_SAFEGUARDS');
  await daemon.close();
});

test('what was changed after the last look is uploaded and not deployed', async () => {
  const { daemon, hook, provider } = await deploying();
  await hook(DEPLOY);
  await hook(STACK);
  provider.compiledCloudFormationTemplate.Resources.Role = {};
  const { error } = await hook(UPLOADED);
  assert.match(error.message, /^brokerd: not deployed: a plugin changed the template after .* the profile dev.*\nhint: .*serverless-brokerd last/);
  assert.strictEqual(error.code, 'BROKERD_SAFEGUARDS_UNKNOWN');
  await daemon.close();

  const free = await deploying({ safeguards: 0 });
  await free.hook(DEPLOY);
  free.provider.compiledCloudFormationTemplate.Resources.Role = {};
  assert.deepStrictEqual(await free.hook(STACK), { error: null, checked: '' });
  assert.deepStrictEqual(await free.hook(UPLOADED), { error: null, checked: '' }, 'nothing forbids it');
  await free.daemon.close();
});

test('a CLI that has no template in memory deploys nothing', async () => {
  const { daemon, hook, provider } = await deploying();
  delete provider.compiledCloudFormationTemplate;
  const { error } = await hook(DEPLOY);
  assert.match(error.message, /serverless 3\.40\.0 has no template where this plugin looks/);
  await daemon.close();
});
