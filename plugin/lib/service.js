'use strict';

const path = require('path');
const { version } = require('../package.json');
const { framework } = require('./framework');

// Lifecycles of the CLI itself that work on AWS. What another plugin adds meets the daemon when it first needs something.
const ON_AWS = new Set(['deploy', 'info', 'invoke', 'logs', 'metrics', 'remove', 'rollback']);

// Commands whose service goes through CloudFormation or nowhere. The others give configuration to a function as it stands.
const TO_TEMPLATE = new Set([...ON_AWS, 'brokerd', 'package', 'print']);
const PAST_TEMPLATE = new Set(['deploy function', 'invoke local']);

/** The service, as the CLI resolved it. */
class Service {
  constructor(serverless, options) {
    this.serverless = serverless;
    this.options = options || {};
  }

  /** Where the configuration lies. */
  get directory() {
    return this.serverless.serviceDir || this.serverless.config.servicePath || process.cwd();
  }

  /** The configuration file, as an absolute path. */
  get config() {
    const name = this.serverless.configurationFilename;
    return name ? path.resolve(this.directory, name) : null;
  }

  /** The CLI's command, such as `deploy` or `deploy function`. */
  get command() {
    return this.serverless.processedInput.commands.join(' ');
  }

  /** Whether the command is only explained. Serverless 3 says so in the options, osls beside them too. */
  get isHelp() {
    return Boolean(this.options.help || this.serverless.processedInput.isHelpRequest);
  }

  /** Whether the command works on AWS for certain. */
  get isOnAws() {
    return ON_AWS.has(this.serverless.processedInput.commands[0]);
  }

  /** Whether what is resolved can be a dynamic reference, which only CloudFormation understands. */
  get isForTemplate() {
    const isOfOne = PAST_TEMPLATE.has(this.command) || (this.command === 'deploy' && this.options.function);
    return TO_TEMPLATE.has(this.serverless.processedInput.commands[0]) && !isOfOne;
  }

  /** The CLI's AWS provider. */
  get provider() {
    return this.serverless.getProvider('aws');
  }

  get stage() {
    return this.provider.getStage();
  }

  get region() {
    return this.provider.getRegion();
  }

  /** `custom.brokerd`. */
  get settings() {
    const custom = this.configuration.custom;
    const settings = custom && custom.brokerd;
    return settings && typeof settings === 'object' ? settings : {};
  }

  get configuration() {
    return this.serverless.configurationInput || {};
  }

  /** What the CLI made of it, as the daemon wants to hear it. */
  report() {
    const app = this.options.app || this.configuration.app || this.settings.app;
    const org = this.options.org || this.configuration.org;
    return {
      org: text(org),
      app: text(app),
      service: text(this.serverless.service.service) || '',
      stage: this.stage,
      region: this.region,
      command: this.command,
      config: this.config,
      framework: framework(this.serverless),
      plugin_version: version,
    };
  }
}

// A variable that is not resolved yet is not known.
function text(value) {
  return typeof value === 'string' && value && !value.includes('${') ? value : null;
}

module.exports = { Service };
