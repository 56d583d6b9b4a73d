# The AWS SDK for Ruby, with the chain that it has by itself. This version knows no AWS_ENDPOINT_URL.
require "aws-sdk-core"

puts Aws::STS::Client.new(region: ENV["AWS_DEFAULT_REGION"], endpoint: ENV["AWS_ENDPOINT_URL"]).get_caller_identity.arn
