'use strict';

const fs = require('fs');
const path = require('path');

/**
 * Which CLI runs. osls and serverless share class names and overlap in versions, so the package is asked that the
 * CLI's own class was loaded from.
 *
 * @returns {{name: string, version: string}}
 */
function framework(serverless) {
  const isIts = (module) => Boolean(module) && module.exports === serverless.constructor;
  const loaded = Object.values(require.cache).find(isIts);
  const name = loaded && packageName(loaded.filename);
  return { name: name || 'serverless', version: String(serverless.version) };
}

function packageName(file) {
  for (let directory = path.dirname(file); directory !== path.dirname(directory); directory = path.dirname(directory)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8')).name;
    } catch (error) {
      if (error.code !== 'ENOENT') return null;
    }
  }
  return null;
}

module.exports = { framework };
