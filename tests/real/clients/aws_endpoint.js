'use strict';

// A plugin for CLIs with the AWS SDK 2, which no variable leads to another endpoint. It stands for nothing that users have.
module.exports = class AwsEndpoint {
  constructor(serverless) {
    let sdk = null;
    try {
      ({ sdk } = serverless.getProvider('aws'));
    } catch (_) {
      // osls 4 has the AWS SDK 3 only.
    }
    if (sdk) sdk.config.update({ endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true });
  }
};
