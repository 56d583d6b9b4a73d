'use strict';

/**
 * Makes the CLI's own AWS calls sign with the profile's session, whatever else it would have found.
 *
 * @param {object} provider the CLI's AWS provider
 * @param {() => Promise<object>} given the session's credentials, with its profile
 * @returns {boolean} false for a CLI whose credentials cannot be led (Serverless 4 makes its own before plugins load)
 */
function provide(provider, given) {
  // osls 3 has both SDKs.
  const isVersion3 = typeof provider.getAwsSdkV3CredentialsProvider === 'function';
  if (isVersion3) leadVersion3(provider, given);
  const sdk = version2Of(provider);
  // Set whole, it is what `getCredentials` returns, and no environment or profile is looked at. S3 takes version 4 everywhere, and
  // nothing else for objects that KMS encrypts.
  if (sdk) provider.cachedCredentials = { credentials: version2(sdk, given), signatureVersion: 'v4' };
  return isVersion3 || Boolean(sdk);
}

function version2Of(provider) {
  try {
    const { sdk } = provider;
    return sdk && typeof sdk.Credentials === 'function' ? sdk : null;
  } catch (_) {
    // osls 4 has none, and throws.
    return null;
  }
}

// The AWS SDK 3 asks a function, and asks it again before `expiration`. A profile that is named in the call is somebody's
// deliberate other account.
function leadVersion3(provider, given) {
  const own = provider.getAwsSdkV3CredentialsProvider.bind(provider);
  provider.getAwsSdkV3CredentialsProvider = (options = {}) =>
    options.profile ? own(options) : async () => identity(await given());
}

function identity({ accessKeyId, secretAccessKey, sessionToken, expiration }) {
  return { accessKeyId, secretAccessKey, sessionToken, expiration };
}

// The AWS SDK 2 asks an object for `get`, which calls `refresh` once `expireTime` is near.
function version2(sdk, given) {
  class BrokerCredentials extends sdk.Credentials {
    constructor() {
      super({ accessKeyId: '', secretAccessKey: '' });
      this.expired = true;
    }

    refresh(callback) {
      given().then(
        (session) => {
          this.accessKeyId = session.accessKeyId;
          this.secretAccessKey = session.secretAccessKey;
          this.sessionToken = session.sessionToken;
          this.expireTime = session.expiration;
          this.expired = false;
          // The CLI shows it beside its errors.
          this.profile = `brokerd: ${session.profile}`;
          callback();
        },
        (error) => callback(error)
      );
    }

    // CLIs keep their clients by this text: one for all sessions, and no key in it.
    toJSON() {
      return { source: 'brokerd' };
    }
  }
  const credentials = new BrokerCredentials();
  Object.defineProperty(credentials, 'sessionToken', { enumerable: false, writable: true });
  return credentials;
}

module.exports = { provide };
