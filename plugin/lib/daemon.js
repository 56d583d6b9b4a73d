'use strict';

const net = require('net');
const { version } = require('../package.json');
const { NeedsHello, NotRunning, Refusal } = require('./refusal');
const { controlSocket } = require('./socket');

const PROTOCOL = 1;
// The daemon itself waits half a minute for a person or for STS; one that is silent for longer is broken.
const PATIENCE = 60 * 1000;
const LONGEST_REPLY = 16 * 1024 * 1024;
// What connecting ends with where nobody listens.
const ABSENT = new Set(['ENOENT', 'ECONNREFUSED']);
const RESTART = 'brokerctl stop, and start brokerd again: it may be older than this plugin';

/**
 * Asks the daemon one thing: a line of JSON each way.
 *
 * @param {object} body the request, with its name in `request`
 * @param {string} expected the name of the reply
 * @returns {Promise<object>} the reply's body
 * @throws {Refusal} with the daemon's own sentence, or why there is none
 */
async function ask(body, expected) {
  const line = await exchange(controlSocket(), `${JSON.stringify({ protocol: PROTOCOL, version, body })}\n`);
  const { protocol, version: theirs, body: reply } = read(line);
  if (reply.reply === 'failed') {
    const code = reply.needs_person ? 'BROKERD_NEEDS_PERSON' : 'BROKERD_REFUSED';
    throw new (reply.needs_hello ? NeedsHello : Refusal)(reply.message, { hint: reply.hint, code });
  }
  if (protocol !== PROTOCOL || reply.reply !== expected) {
    const what = protocol === PROTOCOL ? 'does not know this plugin' : `speaks protocol ${protocol}, not ${PROTOCOL}`;
    throw new Refusal(`the daemon (${theirs}) ${what} (serverless-brokerd ${version})`, { hint: RESTART });
  }
  return reply;
}

// What was read is never quoted: it may hold credentials.
function read(text) {
  try {
    const line = JSON.parse(text);
    if (line && line.body && typeof line.body.reply === 'string') return line;
  } catch (_) {
    // Said below.
  }
  throw new Refusal("the daemon's reply cannot be read", { hint: RESTART });
}

function exchange(path, line) {
  return new Promise((resolve, reject) => {
    const parts = [];
    let length = 0;
    const stream = net.connect(path, () => stream.write(line));
    const end = (settle, value) => {
      stream.destroy();
      settle(value);
    };
    stream.setTimeout(PATIENCE, () => {
      end(reject, new Refusal(`the daemon was silent for ${PATIENCE / 1000} seconds`, { hint: 'brokerctl status' }));
    });
    stream.on('data', (part) => {
      parts.push(part);
      length += part.length;
      if (part.includes(0x0a)) return end(resolve, Buffer.concat(parts).toString('utf8'));
      if (length > LONGEST_REPLY) end(reject, new Refusal("the daemon's reply is too long", { hint: RESTART }));
      return undefined;
    });
    stream.on('error', (error) => {
      const refusal = new Refusal(`cannot ask the daemon: ${error.code}`, { hint: 'brokerctl status' });
      end(reject, ABSENT.has(error.code) ? new NotRunning() : refusal);
    });
    // One that takes a connection runs: `optional` does not go on from what it leaves unsaid.
    stream.on('close', () => {
      reject(new Refusal('the daemon ended the connection without an answer', { hint: 'brokerctl status' }));
    });
  });
}

module.exports = { ask };
