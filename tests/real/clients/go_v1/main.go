// The AWS SDK for Go, version 1, with the chain that it has by itself. This version knows no AWS_ENDPOINT_URL.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/sts"
)

func main() {
	config := aws.NewConfig().WithRegion(os.Getenv("AWS_DEFAULT_REGION")).WithEndpoint(os.Getenv("AWS_ENDPOINT_URL"))
	answer, err := sts.New(session.Must(session.NewSession()), config).GetCallerIdentity(nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(*answer.Arn)
}
