'use strict';

const assert = require('assert');
const { execFileSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const { test } = require('node:test');

const ROOT = path.join(__dirname, '..');

test('what is packed is the library, what it says of itself, and nothing else', () => {
  const said = execFileSync('npm', ['pack', '--dry-run', '--json', '--offline'], { cwd: ROOT, encoding: 'utf8' });
  const packed = JSON.parse(said)[0].files.map((file) => file.path).sort();
  const library = fs.readdirSync(path.join(ROOT, 'lib')).map((name) => `lib/${name}`);
  assert.deepStrictEqual(packed, ['README.md', 'package.json', ...library].sort());
});

test('it brings nothing, and runs nothing when it is installed', () => {
  const { dependencies, scripts } = require('../package.json');
  assert.strictEqual(dependencies, undefined);
  assert.deepStrictEqual(Object.keys(scripts), ['test']);
});
