'use strict';

const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');

const WELCOME = {
  reply: 'plugin-welcome',
  app: 'shop',
  stage: 'dev',
  profile: 'dev',
  matched: 'exact',
  note: null,
  account: '111111111111',
  region: 'eu-west-1',
  expires: '2026-01-01T00:00:00Z',
  deploy: 'warn',
  safeguards: 0,
  secrets: [],
  brokerctl: null,
};

/** A daemon: it answers each request by its name, and writes down what it was asked. */
class StandIn {
  constructor(answers = {}) {
    this.runtime = fs.mkdtempSync(path.join(os.tmpdir(), 'bd-'));
    this.directory = path.join(this.runtime, 'brokerd');
    fs.mkdirSync(this.directory, { mode: 0o700 });
    this.socket = path.join(this.directory, 'control.sock');
    this.answers = { 'plugin-hello': WELCOME, 'plugin-credentials': () => credentials('AKIA0'), ...answers };
    this.asked = [];
    process.env.XDG_RUNTIME_DIR = this.runtime;
  }

  listen() {
    this.server = net.createServer((stream) => {
      let text = '';
      stream.on('data', (part) => {
        text += part;
        if (!text.endsWith('\n')) return;
        const { body } = JSON.parse(text);
        this.asked.push(body);
        const answer = this.answers[body.request];
        stream.end(this.line(typeof answer === 'function' ? answer(body) : answer));
      });
    });
    // A test that fails must not keep its process.
    this.server.unref();
    return new Promise((resolve) => this.server.listen(this.socket, () => resolve(this)));
  }

  line(body) {
    return typeof body === 'string' ? body : `${JSON.stringify({ protocol: 1, version: '0.1.0', body })}\n`;
  }

  requests() {
    return this.asked.map((body) => body.request);
  }

  async close() {
    if (this.server) await new Promise((resolve) => this.server.close(resolve));
    fs.rmSync(this.runtime, { recursive: true });
  }
}

/** Credentials that last for so many seconds. */
function credentials(key, seconds = 3600) {
  const document = {
    Version: 1,
    AccessKeyId: key,
    SecretAccessKey: 'marked-secret',
    SessionToken: 'marked-token',
    Expiration: new Date(Date.now() + seconds * 1000).toISOString(),
  };
  return { reply: 'credentials', document: JSON.stringify(document), note: null };
}

function secret(name, text) {
  const each = { name, source: { kind: 'keychain' }, value: { text }, note: null };
  return { reply: 'secrets', app: 'shop', stage: 'dev', profile: 'dev', note: null, secrets: [each] };
}

/** The base class of the AWS SDK 2, as far as a subclass sees it. */
class Credentials {
  constructor({ accessKeyId, secretAccessKey }) {
    Object.assign(this, { accessKeyId, secretAccessKey, expired: false, expireTime: null });
  }

  get(callback) {
    const isOld = this.expireTime && Date.now() + 15000 > this.expireTime;
    if (isOld || this.expired || !this.accessKeyId) this.refresh(callback);
    else callback();
  }
}

/** A CLI: `sdk` is the AWS SDK that it has, 2 or 3, or `both`, or `none` that can be led. */
function cli({ command = 'deploy', sdk = 2, configuration = {}, provider = {}, directory = '/srv/shop', isHelpRequest } = {}) {
  const properties = {};
  const aws = {
    getStage: () => 'dev',
    getRegion: () => 'eu-west-1',
  };
  if (sdk === 3 || sdk === 'both') aws.getAwsSdkV3CredentialsProvider = () => async () => ({ own: true });
  if (sdk === 2 || sdk === 'both') aws.sdk = { Credentials };
  else Object.defineProperty(aws, 'sdk', { get: () => { throw new Error('osls 4 has no AWS SDK 2'); } });
  const said = [];
  const note = (text) => said.push(text);
  const serverless = {
    said,
    version: '3.40.0',
    serviceDir: directory,
    configurationFilename: 'serverless.yml',
    configurationInput: { app: 'shop', ...configuration },
    processedInput: { commands: command.split(' '), isHelpRequest },
    service: { service: 'storefront', provider: { compiledCloudFormationTemplate: { Resources: {} }, ...provider }, org: configuration.org },
    getProvider: () => aws,
    classes: { Error: class ServerlessError extends Error {
      constructor(message, code) {
        super(message);
        this.code = code;
      }
    } },
    configSchemaHandler: {
      schema: { properties },
      defineTopLevelProperty: (name, schema) => (properties[name] = schema),
      defineCustomProperties: (schema) => (properties.custom = schema),
    },
    pluginManager: { spawn: async () => {} },
    utilities: { log: { notice: note, warning: note }, writeText: note },
  };
  return serverless;
}

module.exports = { StandIn, WELCOME, cli, credentials, secret };
