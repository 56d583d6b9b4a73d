'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { test } = require('node:test');
const { ask } = require('../lib/daemon');
const { socketPath } = require('../lib/socket');
const { StandIn } = require('./stand_in');

async function refusal(promise) {
  const error = await promise.then(() => null, (reason) => reason);
  assert.ok(error, 'nothing was refused');
  return error.text;
}

test('the socket is where the daemon makes it', () => {
  const uid = 4294967; // nobody's
  const cases = [
    [{ XDG_RUNTIME_DIR: '/run/mine' }, '/run/mine/brokerd/control.sock'],
    [{ XDG_RUNTIME_DIR: 'relative' }, `/tmp/brokerd-${uid}/control.sock`],
    [{ XDG_RUNTIME_DIR: '' }, `/tmp/brokerd-${uid}/control.sock`],
    [{}, `/tmp/brokerd-${uid}/control.sock`],
  ];
  for (const [environment, expected] of cases) assert.strictEqual(socketPath(environment, uid), expected);
});

test('each way a daemon can fail is a sentence', async () => {
  const cases = [
    [{ reply: 'failed', message: 'locked', hint: 'brokerctl unlock', needs_person: true }, 'brokerd: locked\nhint: brokerctl unlock'],
    [{ reply: 'failed', message: 'no', hint: null, needs_person: false }, 'brokerd: no'],
    [{ reply: 'unknown' }, /does not know this plugin/],
    ['{"protocol":2,"version":"9.0.0","body":{"reply":"status"}}\n', /9\.0\.0.* speaks protocol 2, not 1/],
    ['marked\n', /reply cannot be read/],
    ['{"body":null}\n', /reply cannot be read/],
    ['', 'brokerd: the daemon ended the connection without an answer\nhint: brokerctl status'],
  ];
  for (const [answer, expected] of cases) {
    const daemon = await new StandIn({ status: answer }).listen();
    const text = await refusal(ask({ request: 'status' }, 'status'));
    if (typeof expected === 'string') assert.strictEqual(text, expected);
    else assert.match(text, expected);
    assert.ok(!text.includes('marked'), 'what was read is not quoted');
    await daemon.close();
  }
});

test('no daemon, or a socket that nobody listens on', async () => {
  const daemon = new StandIn();
  assert.match(await refusal(ask({ request: 'status' }, 'status')), /not running\nhint: brokerd &/);
  await daemon.listen();
  const kept = path.join(daemon.directory, 'kept');
  fs.renameSync(daemon.socket, kept);
  await new Promise((resolve) => daemon.server.close(resolve));
  daemon.server = null;
  if (fs.existsSync(kept)) fs.renameSync(kept, daemon.socket);
  assert.match(await refusal(ask({ request: 'status' }, 'status')), /not running/);
  await daemon.close();
});

test('what somebody else could have put there is not asked', async () => {
  const daemon = await new StandIn({ status: { reply: 'status' } }).listen();
  await ask({ request: 'status' }, 'status');
  fs.chmodSync(daemon.directory, 0o777);
  assert.match(await refusal(ask({ request: 'status' }, 'status')), /can be written by other users\nhint: chmod go-w/);
  fs.chmodSync(daemon.directory, 0o700);
  fs.renameSync(daemon.socket, `${daemon.socket}.real`);
  fs.writeFileSync(daemon.socket, '');
  assert.match(await refusal(ask({ request: 'status' }, 'status')), /is no socket/);
  assert.deepStrictEqual(daemon.requests(), ['status']);
  await daemon.close();
});
