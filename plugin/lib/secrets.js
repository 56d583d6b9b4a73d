'use strict';

const { Refusal } = require('./refusal');

/** `${secrets:NAME}`: a secret of the profile, as a reference that CloudFormation resolves or as its value. */
class Secrets {
  /**
   * @param {import('./broker').Broker} broker
   * @param {import('./service').Service} service
   */
  constructor(broker, service) {
    this.broker = broker;
    this.service = service;
    /** The names whose values were given: they end up in what is deployed. */
    this.inClear = new Set();
  }

  /** What the CLI calls for each distinct reference. `null` leaves the word to the fallback. */
  async resolve({ address }) {
    if (!address) throw new Refusal('${secrets:} names no secret', { hint: '${secrets:NAME}' });
    const { profile, secrets } = await this.broker.welcome();
    const known = secrets.find((each) => each.name === address);
    if (!known) {
      const eventualErrorMessage = `The profile ${profile} has no secret ${address}: brokerctl secret list tells which it has`;
      return { value: null, eventualErrorMessage };
    }
    if (known.reference && this.wantsReferences() && this.service.isForTemplate) return { value: known.reference };
    // What `print` writes ends up in terminals and logs.
    if (this.service.command === 'print') return { value: `(secret ${address})` };
    return { value: await this.value(address) };
  }

  wantsReferences() {
    const wanted = this.service.settings.secrets;
    if (wanted === undefined || wanted === 'reference') return true;
    if (wanted === 'value') return false;
    throw new Refusal('custom.brokerd.secrets is neither "reference" nor "value"', {
      hint: 'take it out: a secret of Secrets Manager is a reference then',
    });
  }

  async value(name) {
    const given = await this.broker.secret(name);
    if (!given || typeof given.value.text !== 'string') {
      throw new Refusal(`the secret ${name} is bytes, and a template takes text only`, {
        hint: `brokerctl secret get ${name} writes them, for a file that the function brings`,
      });
    }
    this.inClear.add(name);
    return given.value.text;
  }

  /** What a person must know of values that were given; `null` if none was. */
  warning(deploys) {
    if (!this.inClear.size) return null;
    const names = [...this.inClear].sort().join(', ');
    const places = deploys
      ? "in .serverless until the deploy has ended, in the deployment bucket, in the stack's template and in what it configures"
      : 'in the package, which is closed to other users';
    return `brokerd: in clear ${places}: ${names}. A secret of Secrets Manager is a reference instead.`;
  }
}

module.exports = { Secrets };
