'use strict';

/** Why something is not done: a sentence, and what to type next. It never carries a secret. */
class Refusal extends Error {
  /**
   * @param {string} message what, where and why
   * @param {object} [more]
   * @param {string} [more.hint] what to type next
   * @param {string} [more.code] what the CLI calls the error
   */
  constructor(message, { hint, code = 'BROKERD_REFUSED' } = {}) {
    super(message);
    this.name = 'Refusal';
    this.hint = hint || null;
    this.code = code;
  }

  /** The text for a person. */
  get text() {
    return this.hint ? `brokerd: ${this.message}\nhint: ${this.hint}` : `brokerd: ${this.message}`;
  }
}

/** No daemon answers. The only refusal that `custom.brokerd.optional` goes on from. */
class NotRunning extends Refusal {
  constructor() {
    super('brokerd is not running', { hint: 'brokerd &', code: 'BROKERD_NOT_RUNNING' });
  }
}

/** The daemon knows nothing of this process: it was started anew since the hello. */
class NeedsHello extends Refusal {}

/** A refusal as the error that the CLI prints without a stack; any other error as it is. */
function forCli(error, serverless) {
  if (!(error instanceof Refusal)) return error;
  const ServerlessError = serverless.classes.Error;
  return new ServerlessError(error.text, error.code);
}

module.exports = { NeedsHello, NotRunning, Refusal, forCli };
