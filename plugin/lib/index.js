'use strict';

const path = require('path');
const { close, removeValues } = require('./artifacts');
const { Broker } = require('./broker');
const { provide } = require('./credentials');
const { framework } = require('./framework');
const { NotRunning, Refusal, forCli } = require('./refusal');
const { check } = require('./safeguards');
const { define } = require('./schema');
const { Secrets } = require('./secrets');
const { Service } = require('./service');
const status = require('./status');
const { refuseOtherProfile, setAside } = require('./surroundings');
const { Template } = require('./template');

const WITHOUT =
  "brokerd: not running, and custom.brokerd.optional is true: this goes on with the CLI's own credentials, unchecked by safeguards";

/** The plugin: it leads the CLI's credentials and secrets to brokerd, and lets no deploy pass its safeguards. */
class Brokerd {
  constructor(serverless, options, { log, writeText } = {}) {
    this.serverless = serverless;
    this.log = log || { notice: (text) => serverless.cli.log(text), warning: (text) => serverless.cli.log(text) };
    this.writeText = writeText || ((text) => process.stdout.write(`${text}\n`));
    this.service = new Service(serverless, options);
    this.broker = new Broker(() => this.service.report());
    this.secrets = new Secrets(this.broker, this.service);
    this.template = new Template(this.service);
    /** Whether this command goes on without brokerd, as `custom.brokerd.optional` wants. */
    this.isWithout = false;
    // Serverless 3 asks for a login to its dashboard where both `org` and `app` stand.
    if (serverless.service.org) delete serverless.service.org;

    this.commands = {
      brokerd: {
        usage: 'What brokerd makes of this service',
        commands: {
          status: { usage: 'Show the deployment profile', lifecycleEvents: ['status'] },
          check: { usage: 'Package, and check the safeguards', lifecycleEvents: ['check'] },
        },
      },
    };
    this.configurationVariablesSources = {
      secrets: { resolve: (asked) => this.saying(() => this.resolve(asked)) },
    };
    this.hooks = this.hooked({
      'brokerd:status:status': () => this.showStatus(),
      'brokerd:check:check': () => this.checkNow(),
      'after:package:cleanup': () => this.closeArtifacts(),
      'after:package:finalize': () => this.afterPackaging(),
      'after:aws:common:moveArtifactsToTemp:move': () => this.closeArtifacts(),
      'before:deploy:deploy': () => this.beforeDeploy(),
      'before:aws:deploy:deploy:createStack': () => this.beforeStack(),
      'after:aws:deploy:deploy:uploadArtifacts': () => this.afterUpload(),
      'before:deploy:function:deploy': () => this.warn(),
      'after:deploy:finalize': () => this.removeValues(this.artifacts),
      error: () => this.afterFailure(),
    });
  }

  /** Before variables are resolved, and so before anything asks AWS. */
  asyncInit() {
    return this.saying(async () => {
      // Where only options are explained, nothing is asked of AWS or of brokerd.
      if (this.service.isHelp) return;
      define(this.serverless);
      refuseOtherProfile(this.service.options);
      if (!(await this.isThere())) return;
      const profile = this.serverless.service.provider.profile;
      const aside = setAside(process.env, this.service.stage);
      if (profile) aside.push('provider.profile');
      if (aside.length) this.log.notice(`brokerd: set aside for the deployment profile: ${aside.join(', ')}`);
      if (!provide(this.service.provider, () => this.given())) this.notLed();
      // What a person must do first is said before minutes of packaging.
      if (this.service.isOnAws) await this.obtain();
    });
  }

  /**
   * Says hello, for a command that needs AWS. No daemon is a reason to stop, unless the project says otherwise: then it is to be
   * known at once, before the environment is touched.
   */
  async isThere() {
    const isOptional = this.service.settings.optional === true;
    if (!this.service.isOnAws && !isOptional) return true;
    try {
      const { note } = await this.broker.welcome();
      if (note) this.log.notice(`brokerd: ${note}`);
    } catch (error) {
      this.isWithout = isOptional && error instanceof NotRunning;
      if (this.isWithout) this.log.warning(WITHOUT);
      else if (this.service.isOnAws) throw error;
    }
    return !this.isWithout;
  }

  /** Has no way to give the credentials. The CLI's own are those of any account. */
  notLed() {
    if (this.service.isOnAws) {
      const { name, version } = framework(this.serverless);
      throw new Refusal(`${name} ${version} takes credentials that this plugin cannot lead to the deployment profile's`, {
        hint: 'brokerctl deploy, without serverless-brokerd in plugins',
        code: 'BROKERD_NOT_LED',
      });
    }
    this.log.warning('brokerd: this CLI takes credentials from its own chain; brokerctl env leads that to brokerd');
  }

  /** Has the credentials at hand: `invoke local` of the AWS SDK 2 reads them off its object without waiting. */
  async obtain() {
    await this.broker.credentials();
    const { cachedCredentials } = this.service.provider;
    if (!cachedCredentials) return;
    await new Promise((resolve, reject) => {
      cachedCredentials.credentials.get((error) => (error ? reject(error) : resolve()));
    });
  }

  /** What signs: for other plugins too, whose errors the CLI prints. */
  given() {
    return this.saying(async () => {
      const [credentials, { profile }] = await Promise.all([this.broker.credentials(), this.broker.welcome()]);
      return { ...credentials, profile };
    });
  }

  async resolve(asked) {
    if (this.isWithout) return { value: null, eventualErrorMessage: 'brokerd is not running, and has the secrets' };
    return this.secrets.resolve(asked);
  }

  async showStatus() {
    const welcome = await this.broker.welcome();
    this.writeText(status.lines(welcome, framework(this.serverless)).join('\n'));
  }

  async checkNow() {
    await this.serverless.pluginManager.spawn('package');
    const packaged = this.package || this.artifacts;
    try {
      await this.check(packaged);
    } finally {
      this.removeValues(packaged);
    }
  }

  check(directory) {
    const print = (line) => this.log.notice(line);
    return check({ broker: this.broker, service: this.service, directory, print });
  }

  /** Where the CLI keeps the artifacts from packaging to deploying, whatever `--package` says. */
  get artifacts() {
    return path.join(this.service.directory, '.serverless');
  }

  /** The directory of `--package`, where the artifacts are moved to. The CLI moves nothing to one of its own name. */
  get package() {
    const named = this.namedPackage;
    return named && !named.endsWith('.serverless') ? path.resolve(this.service.directory, named) : null;
  }

  get namedPackage() {
    return this.service.options.package || (this.serverless.service.package || {}).path;
  }

  /** The CLI has just removed the old ones and is about to write, or has copied those of an earlier package. */
  closeArtifacts() {
    if (this.secrets.inClear.size) close(this.artifacts);
  }

  afterPackaging() {
    if (!this.secrets.inClear.size) return;
    if (this.package) close(this.package);
    if (this.service.command === 'package') this.log.warning(this.secrets.warning(false));
  }

  /** Of one function: no safeguard looks at it, since nothing is packaged. */
  warn() {
    const warning = this.secrets.warning(true);
    if (warning) this.log.warning(warning);
  }

  async beforeDeploy() {
    if (this.isWithout) return;
    this.warn();
    await this.checkTemplate();
  }

  async checkTemplate() {
    const { safeguards } = await this.broker.welcome();
    if (safeguards) this.template.write(this.artifacts);
    await this.check(this.artifacts);
  }

  /** Plugins that stand after this one have had their turn before the deploy. */
  async beforeStack() {
    if (!this.template.isChanged) return;
    this.log.notice('brokerd: a plugin changed the template after its safeguards were checked: they are checked again');
    await this.checkTemplate();
  }

  /** CloudFormation is told of what was uploaded only after this. */
  async afterUpload() {
    if (!this.template.isChanged) return;
    const { profile } = await this.broker.welcome();
    const what = `a plugin changed the template after the safeguards of the profile ${profile} were checked`;
    throw new Refusal(`not deployed: ${what}`, {
      hint: 'name serverless-brokerd last in plugins; what changes the template while it is uploaded cannot be deployed',
      code: 'BROKERD_SAFEGUARDS_UNKNOWN',
    });
  }

  removeValues(directory) {
    if (this.secrets.inClear.size) removeValues(directory);
  }

  /** A package that was made earlier, and that the CLI deploys from where it lies, is somebody's to deploy again. */
  afterFailure() {
    const { command } = this.service;
    const isEarlier = Boolean(this.namedPackage) && !this.package;
    if (command === 'package' || (command === 'deploy' && !isEarlier)) this.removeValues(this.artifacts);
  }

  hooked(hooks) {
    const said = Object.entries(hooks).map(([name, hook]) => [name, () => this.saying(hook)]);
    return Object.fromEntries(said);
  }

  /** Runs something, and gives its refusal to the CLI in the form that it prints. */
  async saying(something) {
    try {
      return await something();
    } catch (error) {
      throw forCli(error, this.serverless);
    }
  }
}

module.exports = Brokerd;
