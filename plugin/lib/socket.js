'use strict';

const fs = require('fs');
const path = require('path');
const { NotRunning, Refusal } = require('./refusal');

const WRITABLE_BY_OTHERS = 0o022;

/**
 * The path of the daemon's control socket, by the same rule as the daemon's: `$XDG_RUNTIME_DIR/brokerd`, else
 * `/run/user/UID/brokerd` if that directory is ours, else `/tmp/brokerd-UID`.
 *
 * @param {object} environment variables by name
 * @param {number} uid ours
 * @returns {string}
 */
function socketPath(environment, uid) {
  const named = environment.XDG_RUNTIME_DIR;
  const perUser = `/run/user/${uid}`;
  let directory = `/tmp/brokerd-${uid}`;
  if (named && path.isAbsolute(named)) directory = path.join(named, 'brokerd');
  else if (isOwnDirectory(perUser, uid)) directory = path.join(perUser, 'brokerd');
  return path.join(directory, 'control.sock');
}

function isOwnDirectory(name, uid) {
  const found = look(name);
  return Boolean(found) && found.isDirectory() && found.uid === uid;
}

function look(name) {
  try {
    return fs.lstatSync(name);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw new Refusal(`cannot look at ${name}: ${error.code}`);
  }
}

/**
 * The control socket of this user's daemon. Another user's in its place would hand out that user's credentials.
 *
 * @throws {NotRunning} when there is none
 * @throws {Refusal} when it is not ours, or others can replace it
 */
function controlSocket(environment = process.env) {
  if (!process.getuid) throw new Refusal('brokerd runs on Linux and macOS only');
  const uid = process.getuid();
  const socket = socketPath(environment, uid);
  const found = look(socket);
  if (!found) throw new NotRunning();
  if (!found.isSocket()) throw new Refusal(`${socket} is no socket`, { hint: `rm ${socket}, and start brokerd` });
  const directory = path.dirname(socket);
  const holder = look(directory);
  for (const [name, its] of [[socket, found], [directory, holder]]) {
    if (!its || its.uid !== uid) throw new Refusal(`${name} belongs to another user`, { hint: 'brokerctl paths' });
  }
  if (holder.mode & WRITABLE_BY_OTHERS) {
    throw new Refusal(`${directory} can be written by other users`, { hint: `chmod go-w ${directory}` });
  }
  return socket;
}

module.exports = { controlSocket, socketPath };
