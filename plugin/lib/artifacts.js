'use strict';

const fs = require('fs');
const path = require('path');

const OWN_ONLY = 0o700;
// What the CLI writes of a resolved service.
const WITH_VALUES = /^(serverless-state|cloudformation-template-.*)\.json$/;

/** Makes the directory if it is missing, and closes it to other users. */
function close(directory) {
  fs.mkdirSync(directory, { recursive: true, mode: OWN_ONLY });
  fs.chmodSync(directory, OWN_ONLY);
}

/** Removes the files in which values of secrets are; what is deployed needs none of them. */
function removeValues(directory) {
  for (const name of names(directory)) {
    if (WITH_VALUES.test(name)) fs.unlinkSync(path.join(directory, name));
  }
}

// The CLI removes its artifacts by itself after a deploy of what was packaged earlier.
function names(directory) {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

module.exports = { close, removeValues };
