'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { test } = require('node:test');
const Brokerd = require('../lib');
const { StandIn, WELCOME, cli, credentials, secret } = require('./stand_in');

async function started(daemon, options = {}, words = {}) {
  const serverless = cli(options);
  const plugin = new Brokerd(serverless, words, serverless.utilities);
  await plugin.asyncInit();
  return { plugin, serverless, said: serverless.said };
}

const get = (object) => new Promise((resolve, reject) => object.get((error) => (error ? reject(error) : resolve())));

async function rejected(promise) {
  const error = await promise.then(() => null, (reason) => reason);
  assert.ok(error, 'nothing was refused');
  return error;
}

test('it reports what the CLI resolved', async () => {
  const daemon = await new StandIn().listen();
  const { serverless } = await started(daemon, { configuration: { org: 'acme' } });
  const [hello] = daemon.asked;
  assert.deepStrictEqual(hello, {
    request: 'plugin-hello',
    org: 'acme',
    app: 'shop',
    service: 'storefront',
    stage: 'dev',
    region: 'eu-west-1',
    command: 'deploy',
    config: '/srv/shop/serverless.yml',
    framework: { name: 'serverless', version: '3.40.0' },
    plugin_version: require('../package.json').version,
  });
  assert.strictEqual(serverless.service.org, undefined, 'the CLI would ask for a login to its dashboard');
  assert.deepStrictEqual(Object.keys(serverless.configSchemaHandler.schema.properties), ['app', 'org', 'custom']);
  await daemon.close();
});

test('the app of custom.brokerd and of the command line', async () => {
  const cases = [
    [{ app: undefined, custom: { brokerd: { app: 'till' } } }, {}, 'till'],
    [{ app: 'shop' }, { app: 'till' }, 'till'],
    [{ app: '${env:APP}' }, {}, null],
    [{ app: undefined }, {}, null],
  ];
  for (const [configuration, words, expected] of cases) {
    const daemon = await new StandIn().listen();
    await started(daemon, { configuration }, words);
    assert.strictEqual(daemon.asked[0].app, expected);
    await daemon.close();
  }
});

test('credentials of the AWS SDK 2 are renewed before they end', async () => {
  let turn = 0;
  const daemon = await new StandIn({ 'plugin-credentials': () => credentials(`AKIA${(turn += 1)}`, turn === 1 ? 10 : 3600) }).listen();
  const { serverless } = await started(daemon, { command: 'package' });
  const given = serverless.getProvider().cachedCredentials.credentials;
  await get(given);
  assert.strictEqual(given.accessKeyId, 'AKIA1');
  await get(given);
  assert.strictEqual(given.accessKeyId, 'AKIA2', 'ten seconds are not enough');
  await Promise.all([get(given), get(given)]);
  assert.deepStrictEqual(daemon.requests(), ['plugin-hello', 'plugin-credentials', 'plugin-credentials']);
  assert.strictEqual(JSON.stringify({ given }), '{"given":{"source":"brokerd"}}', 'clients are kept by this text');
  await daemon.close();
});

test('credentials of the AWS SDK 3 say when they end, and are asked for once by many', async () => {
  const daemon = await new StandIn({ 'plugin-credentials': () => credentials('AKIA1') }).listen();
  const { serverless } = await started(daemon, { sdk: 3 });
  const provider = serverless.getProvider();
  const ask = provider.getAwsSdkV3CredentialsProvider();
  const [first, second] = await Promise.all([ask(), ask()]);
  assert.deepStrictEqual(first, second);
  assert.deepStrictEqual([first.accessKeyId, first.sessionToken], ['AKIA1', 'marked-token']);
  assert.ok(first.expiration - Date.now() > 3500 * 1000);
  assert.deepStrictEqual(await provider.getAwsSdkV3CredentialsProvider({ profile: 'other' })(), { own: true });
  assert.deepStrictEqual(daemon.requests(), ['plugin-hello', 'plugin-credentials']);
  await daemon.close();
});

test('a CLI with both SDKs gets the same credentials in both', async () => {
  const daemon = await new StandIn({ 'plugin-credentials': () => credentials('AKIA1') }).listen();
  const provider = (await started(daemon, { sdk: 'both' })).serverless.getProvider();
  const given = provider.cachedCredentials.credentials;
  await get(given);
  const { accessKeyId } = await provider.getAwsSdkV3CredentialsProvider()();
  assert.deepStrictEqual([given.accessKeyId, accessKeyId], ['AKIA1', 'AKIA1']);
  await daemon.close();
});

test('keys of the environment are set aside, and said', async () => {
  const daemon = await new StandIn().listen();
  Object.assign(process.env, { AWS_PROFILE: 'old', AWS_DEV_ACCESS_KEY_ID: 'AKIAOLD', AWS_PROD_PROFILE: 'kept' });
  const { said } = await started(daemon, { provider: { profile: 'mine' } });
  assert.deepStrictEqual(said, [
    'brokerd: set aside for the deployment profile: AWS_PROFILE, AWS_DEV_ACCESS_KEY_ID, provider.profile',
  ]);
  assert.deepStrictEqual([process.env.AWS_PROFILE, process.env.AWS_DEV_ACCESS_KEY_ID], [undefined, undefined]);
  assert.strictEqual(process.env.AWS_PROD_PROFILE, 'kept', 'of another stage');
  delete process.env.AWS_PROD_PROFILE;
  const error = await rejected(started(daemon, {}, { 'aws-profile': 'other' }));
  assert.match(error.message, /--aws-profile other asks for other credentials/);
  await daemon.close();
});

test('what a person must do first stops a command before it packages', async () => {
  const wanted = { reply: 'failed', message: 'prod waits for approval', hint: 'brokerctl approve', needs_person: true };
  const daemon = await new StandIn({ 'plugin-credentials': wanted }).listen();
  const error = await rejected(started(daemon));
  assert.strictEqual(error.message, 'brokerd: prod waits for approval\nhint: brokerctl approve');
  assert.strictEqual(error.code, 'BROKERD_NEEDS_PERSON');
  await daemon.close();
});

test('a CLI whose credentials cannot be led does nothing on AWS', async () => {
  const daemon = await new StandIn().listen();
  for (const command of ['deploy', 'remove', 'info']) {
    const error = await rejected(started(daemon, { command, sdk: 'none' }));
    assert.match(error.message, /serverless 3\.40\.0 takes credentials that this plugin cannot lead.*\nhint: brokerctl deploy/);
    assert.strictEqual(error.code, 'BROKERD_NOT_LED');
  }
  const { said } = await started(daemon, { command: 'package', sdk: 'none' });
  assert.match(said[0], /takes credentials from its own chain/);
  assert.ok(!daemon.requests().includes('plugin-credentials'), 'nothing is given that is not used');
  await daemon.close();
});

test('a question about options needs no brokerd', async () => {
  const daemon = new StandIn();
  process.env.AWS_PROFILE = 'own';
  for (const [words, isHelpRequest] of [[{ help: true }], [{ 'aws-profile': 'other', help: true }], [{}, true]]) {
    const { said } = await started(daemon, { isHelpRequest }, words);
    assert.deepStrictEqual(said, []);
  }
  assert.strictEqual(process.env.AWS_PROFILE, 'own');
  delete process.env.AWS_PROFILE;
  await daemon.close();
});

test('a command that needs AWS stops without brokerd, and one that needs nothing goes on', async () => {
  const daemon = new StandIn();
  for (const command of ['deploy', 'deploy function', 'remove', 'info', 'logs', 'invoke']) {
    const error = await rejected(started(daemon, { command }));
    assert.match(error.message, /^brokerd: brokerd is not running\nhint: brokerd &$/);
    assert.strictEqual(error.code, 'BROKERD_NOT_RUNNING');
  }
  const { plugin, serverless } = await started(daemon, { command: 'package' });
  assert.match((await rejected(get(serverless.getProvider().cachedCredentials.credentials))).message, /not running/);
  const asked = plugin.configurationVariablesSources.secrets.resolve({ address: 'KEY' });
  assert.match((await rejected(asked)).message, /not running/);
  await daemon.close();
});

test('custom.brokerd.optional goes on without a daemon, and not past its refusal', async () => {
  const configuration = { custom: { brokerd: { optional: true } } };
  const absent = new StandIn();
  process.env.AWS_PROFILE = 'own';
  const { plugin, serverless, said } = await started(absent, { configuration });
  assert.strictEqual(said.length, 1);
  assert.match(said[0], /not running, and custom.brokerd.optional is true/);
  assert.strictEqual(serverless.getProvider().cachedCredentials, undefined);
  assert.strictEqual(process.env.AWS_PROFILE, 'own');
  const { value } = await plugin.configurationVariablesSources.secrets.resolve({ address: 'KEY' });
  assert.strictEqual(value, null, 'the fallback has the word');
  await plugin.hooks['before:deploy:deploy']();
  delete process.env.AWS_PROFILE;
  await absent.close();

  const refused = { reply: 'failed', message: 'not allowed', hint: 'brokerctl allow', needs_person: false };
  const daemon = await new StandIn({ 'plugin-hello': refused }).listen();
  const error = await rejected(started(daemon, { configuration }));
  assert.strictEqual(error.message, 'brokerd: not allowed\nhint: brokerctl allow');
  // One that runs and says nothing has refused, too.
  daemon.answers['plugin-hello'] = '';
  const { code } = await rejected(started(daemon, { configuration }));
  assert.strictEqual(code, 'BROKERD_REFUSED');
  await daemon.close();
});

test('a secret is a reference, a value, or left to the fallback', async () => {
  const secrets = [
    { name: 'KEY', source: 'keychain' },
    { name: 'BYTES', source: 'file' },
    { name: 'REF', source: 'secretsmanager', reference: '{{resolve:secretsmanager:ref:SecretString}}' },
  ];
  const answers = {
    'plugin-hello': { ...WELCOME, secrets },
    'plugin-secrets': ({ names: [name] }) => {
      const grant = secret(name, 'marked-value');
      if (name === 'BYTES') grant.secrets[0].value = { base64: 'bWFya2Vk' };
      return grant;
    },
  };
  const daemon = await new StandIn(answers).listen();
  const { plugin } = await started(daemon, { command: 'package' });
  const resolve = (address) => plugin.configurationVariablesSources.secrets.resolve({ address });
  assert.deepStrictEqual(await resolve('REF'), { value: '{{resolve:secretsmanager:ref:SecretString}}' });
  assert.strictEqual(plugin.secrets.warning(true), null);
  assert.deepStrictEqual([await resolve('KEY'), await resolve('KEY')], [{ value: 'marked-value' }, { value: 'marked-value' }]);
  assert.match(plugin.secrets.warning(true), /in clear in \.serverless .*template.*: KEY\./);
  assert.ok(!plugin.secrets.warning(true).includes('marked'));
  const missing = await resolve('MISSING');
  assert.strictEqual(missing.value, null);
  assert.match(missing.eventualErrorMessage, /profile dev has no secret MISSING/);
  assert.match((await rejected(resolve('BYTES'))).message, /is bytes, and a template takes text only/);
  assert.match((await rejected(resolve(null))).message, /names no secret/);
  assert.deepStrictEqual(daemon.requests(), ['plugin-hello', 'plugin-secrets', 'plugin-secrets'], 'each is read once');
  await daemon.close();

  const valued = await new StandIn(answers).listen();
  const settings = { configuration: { custom: { brokerd: { secrets: 'value' } } } };
  const { plugin: other } = await started(valued, settings);
  const { value } = await other.configurationVariablesSources.secrets.resolve({ address: 'REF' });
  assert.strictEqual(value, 'marked-value');
  await valued.close();
});

test('what goes past the template is a value', async () => {
  const secrets = [{ name: 'REF', source: 'secretsmanager', reference: '{{resolve:ref}}' }];
  const cases = [
    ['deploy', {}, '{{resolve:ref}}'],
    ['remove', {}, '{{resolve:ref}}'],
    ['brokerd check', {}, '{{resolve:ref}}'],
    ['deploy function', {}, 'marked-value'],
    ['deploy', { function: 'hello' }, 'marked-value'],
    ['invoke local', {}, 'marked-value'],
    ['offline start', {}, 'marked-value'],
  ];
  for (const [command, words, expected] of cases) {
    const answers = { 'plugin-hello': { ...WELCOME, secrets }, 'plugin-secrets': secret('REF', 'marked-value') };
    answers['plugin-credentials'] = credentials('AKIA1');
    const daemon = await new StandIn(answers).listen();
    const { plugin } = await started(daemon, { command }, words);
    const { value } = await plugin.configurationVariablesSources.secrets.resolve({ address: 'REF' });
    assert.strictEqual(value, expected, command);
    await daemon.close();
  }
});

test('print shows no value', async () => {
  const daemon = await new StandIn({ 'plugin-hello': { ...WELCOME, secrets: [{ name: 'KEY', source: 'keychain' }] } }).listen();
  const { plugin } = await started(daemon, { command: 'print' });
  const { value } = await plugin.configurationVariablesSources.secrets.resolve({ address: 'KEY' });
  assert.strictEqual(value, '(secret KEY)');
  assert.deepStrictEqual(daemon.requests(), ['plugin-hello']);
  await daemon.close();
});

test('artifacts with values are closed, and gone after the deploy', async () => {
  const answers = {
    'plugin-hello': { ...WELCOME, secrets: [{ name: 'KEY', source: 'keychain' }] },
    'plugin-secrets': secret('KEY', 'marked-value'),
  };
  const daemon = await new StandIn(answers).listen();
  const { plugin, said } = await started(daemon, { directory: daemon.runtime });
  const artifacts = path.join(daemon.runtime, '.serverless');
  await plugin.hooks['after:package:cleanup']();
  assert.ok(!fs.existsSync(artifacts), 'nothing to hide');
  await plugin.configurationVariablesSources.secrets.resolve({ address: 'KEY' });
  await plugin.hooks['after:package:cleanup']();
  assert.strictEqual(fs.statSync(artifacts).mode & 0o777, 0o700);
  const names = ['serverless-state.json', 'cloudformation-template-update-stack.json', 'storefront.zip'];
  for (const name of names) fs.writeFileSync(path.join(artifacts, name), '{}');
  await plugin.hooks['before:deploy:deploy']();
  assert.strictEqual(said.filter((line) => line.includes('in clear')).length, 1);
  await plugin.hooks['after:deploy:finalize']();
  assert.deepStrictEqual(fs.readdirSync(artifacts), ['storefront.zip']);
  await daemon.close();
});

test('artifacts that the CLI has removed by then need no removing', async () => {
  const answers = {
    'plugin-hello': { ...WELCOME, secrets: [{ name: 'KEY', source: 'keychain' }] },
    'plugin-secrets': secret('KEY', 'marked-value'),
  };
  const daemon = await new StandIn(answers).listen();
  const { plugin } = await started(daemon, { directory: daemon.runtime }, { package: 'build' });
  await plugin.configurationVariablesSources.secrets.resolve({ address: 'KEY' });
  assert.ok(!fs.existsSync(path.join(daemon.runtime, '.serverless')));
  await plugin.hooks['after:deploy:finalize']();
  fs.writeFileSync(path.join(daemon.runtime, '.serverless'), 'no directory');
  assert.match((await rejected(plugin.hooks['after:deploy:finalize']())).code, /ENOTDIR/, 'anything else is said');
  await daemon.close();
});

test('artifacts of an earlier package are closed as soon as the CLI has copied them', async () => {
  const answers = {
    'plugin-hello': { ...WELCOME, secrets: [{ name: 'KEY', source: 'keychain' }] },
    'plugin-secrets': secret('KEY', 'marked-value'),
  };
  const daemon = await new StandIn(answers).listen();
  const { plugin } = await started(daemon, { directory: daemon.runtime }, { package: 'build' });
  const artifacts = path.join(daemon.runtime, '.serverless');
  await plugin.configurationVariablesSources.secrets.resolve({ address: 'KEY' });
  fs.mkdirSync(artifacts, { mode: 0o755 });
  await plugin.hooks['after:aws:common:moveArtifactsToTemp:move']();
  assert.strictEqual(fs.statSync(artifacts).mode & 0o777, 0o700);
  await daemon.close();
});

test('artifacts with values are gone after a deploy that failed, and the package that it was made of is not', async () => {
  const cases = [
    ['deploy', {}, ['storefront.zip']],
    ['deploy', { package: 'build' }, ['storefront.zip']],
    ['deploy', { package: '.serverless' }, ['serverless-state.json', 'storefront.zip']],
    ['package', {}, ['storefront.zip']],
    ['info', {}, ['serverless-state.json', 'storefront.zip']],
  ];
  const answers = {
    'plugin-hello': { ...WELCOME, secrets: [{ name: 'KEY', source: 'keychain' }] },
    'plugin-secrets': secret('KEY', 'marked-value'),
  };
  for (const [command, words, expected] of cases) {
    const daemon = await new StandIn(answers).listen();
    const { plugin } = await started(daemon, { command, directory: daemon.runtime }, words);
    const artifacts = path.join(daemon.runtime, '.serverless');
    await plugin.configurationVariablesSources.secrets.resolve({ address: 'KEY' });
    fs.mkdirSync(artifacts);
    for (const name of ['serverless-state.json', 'storefront.zip']) fs.writeFileSync(path.join(artifacts, name), '{}');
    await plugin.hooks.error();
    assert.deepStrictEqual(fs.readdirSync(artifacts).sort(), expected, `${command} ${JSON.stringify(words)}`);
    await daemon.close();
  }
});

test('a daemon that was started anew is greeted anew, and must say the same', async () => {
  let forgets = true;
  let profile = 'dev';
  const forgotten = { reply: 'failed', message: 'say hello', hint: null, needs_person: false, needs_hello: true };
  const answers = {
    'plugin-hello': () => ({ ...WELCOME, profile }),
    'plugin-credentials': () => {
      const answer = forgets ? forgotten : credentials('AKIA1');
      forgets = false;
      return answer;
    },
  };
  const daemon = await new StandIn(answers).listen();
  const { plugin } = await started(daemon, { sdk: 3 });
  assert.strictEqual((await plugin.broker.credentials()).accessKeyId, 'AKIA1');
  assert.deepStrictEqual(daemon.requests(), ['plugin-hello', 'plugin-credentials', 'plugin-hello', 'plugin-credentials']);
  forgets = true;
  profile = 'prod';
  plugin.broker.given = null;
  assert.match((await rejected(plugin.broker.credentials())).message, /was dev and is prod now/);
  await daemon.close();
});
