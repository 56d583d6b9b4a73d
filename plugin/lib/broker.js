'use strict';

const { ask } = require('./daemon');
const { NeedsHello, Refusal } = require('./refusal');

// The daemon renews sessions ahead of their end, so what is this close to it is asked for anew.
const RENEW_BEFORE = 5 * 60 * 1000;

/** What brokerd decided for this process, and what it gives. */
class Broker {
  /** @param {() => object} report what the CLI resolved, asked for when it is needed */
  constructor(report) {
    this.report = report;
    this.welcomed = null;
    this.given = null;
    this.asking = null;
    this.values = new Map();
  }

  /** The decision; the daemon is told once what the CLI resolved. */
  welcome() {
    if (!this.welcomed) {
      this.welcomed = this.hello();
      // A refusal is said to each who asks, and is nobody's unhandled rejection.
      this.welcomed.catch(() => {});
    }
    return this.welcomed;
  }

  hello() {
    return ask({ request: 'plugin-hello', ...this.report() }, 'plugin-welcome');
  }

  /**
   * The session's credentials, never within minutes of their end.
   *
   * @returns {Promise<{accessKeyId: string, secretAccessKey: string, sessionToken: string, expiration: Date}>}
   */
  async credentials() {
    if (this.given && this.given.expiration - Date.now() > RENEW_BEFORE) return this.given;
    if (!this.asking) {
      this.asking = this.renew();
      const done = () => (this.asking = null);
      this.asking.then(done, done);
    }
    return this.asking;
  }

  async renew() {
    const { document } = await this.afterHello({ request: 'plugin-credentials' }, 'credentials');
    const said = JSON.parse(document);
    this.given = {
      accessKeyId: said.AccessKeyId,
      secretAccessKey: said.SecretAccessKey,
      sessionToken: said.SessionToken,
      expiration: new Date(said.Expiration),
    };
    return this.given;
  }

  /** The value of a secret of the profile. It is read once. */
  secret(name) {
    if (!this.values.has(name)) {
      const value = this.afterHello({ request: 'plugin-secrets', names: [name] }, 'secrets');
      this.values.set(name, value.then((grant) => grant.secrets.find((each) => each.name === name)));
    }
    return this.values.get(name);
  }

  /** Writes in the audit log that safeguards stopped a deploy. */
  blocked(titles) {
    return this.afterHello({ request: 'plugin-blocked', failed: titles }, 'plugin-noted');
  }

  // A daemon that was started anew knows nobody's hello.
  async afterHello(request, expected) {
    const before = await this.welcome();
    try {
      return await ask(request, expected);
    } catch (error) {
      if (!(error instanceof NeedsHello)) throw error;
    }
    this.welcomed = this.hello();
    const now = await this.welcomed;
    if (now.profile !== before.profile || now.stage !== before.stage || now.app !== before.app) {
      throw new Refusal(`the profile was ${before.profile} and is ${now.profile} now, in the middle of this command`, {
        hint: 'run the command again',
      });
    }
    return ask(request, expected);
  }
}

module.exports = { Broker };
