'use strict';

const SETTINGS = {
  type: 'object',
  properties: {
    app: { type: 'string' },
    optional: { type: 'boolean' },
    secrets: { enum: ['reference', 'value'] },
  },
  additionalProperties: false,
};

/**
 * Tells the CLI which keys are ours, where it has none of its own by then: osls knows neither `app` nor `org`, and
 * Serverless both.
 */
function define(serverless) {
  const handler = serverless.configSchemaHandler;
  if (!handler) return;
  for (const name of ['app', 'org']) {
    if (!handler.schema.properties[name]) handler.defineTopLevelProperty(name, { type: 'string' });
  }
  handler.defineCustomProperties({ type: 'object', properties: { brokerd: SETTINGS } });
}

module.exports = { define };
