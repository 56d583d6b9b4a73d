'use strict';

const fs = require('fs');
const path = require('path');
const { framework } = require('./framework');
const { Refusal } = require('./refusal');

// What brokerctl reads the template from.
const FILE = 'cloudformation-template-update-stack.json';

/** The template as the CLI uploads it: what it has in memory, which plugins can change after it was written to a file. */
class Template {
  /** @param {import('./service').Service} service */
  constructor(service) {
    this.service = service;
    /** What was last written out to be checked; `null` before. */
    this.checked = null;
  }

  /** As the CLI uploads it. */
  get text() {
    const { compiledCloudFormationTemplate } = this.service.serverless.service.provider;
    if (compiledCloudFormationTemplate) return JSON.stringify(compiledCloudFormationTemplate);
    const { name, version } = framework(this.service.serverless);
    throw new Refusal(`not deployed: ${name} ${version} has no template where this plugin looks for what it uploads`, {
      hint: 'brokerctl deploy, without serverless-brokerd in plugins',
      code: 'BROKERD_SAFEGUARDS_UNKNOWN',
    });
  }

  /** Makes the file among the artifacts say what is uploaded, for it to be checked. */
  write(directory) {
    const file = path.join(directory, FILE);
    const { text } = this;
    if (written(file) !== text) fs.writeFileSync(file, JSON.stringify(JSON.parse(text), null, 2));
    this.checked = text;
  }

  /** Whether it is another than what was written out. One that never was is not looked at. */
  get isChanged() {
    return this.checked !== null && this.text !== this.checked;
  }
}

function written(file) {
  try {
    return JSON.stringify(JSON.parse(fs.readFileSync(file, 'utf8')));
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}

module.exports = { Template };
