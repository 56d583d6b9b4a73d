// The AWS SDK for Go, version 2, with the chain that it has by itself. This version knows no AWS_ENDPOINT_URL.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	loaded, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(os.Getenv("AWS_DEFAULT_REGION")))
	if err == nil {
		client := sts.NewFromConfig(loaded, sts.WithEndpointResolver(sts.EndpointResolverFromURL(os.Getenv("AWS_ENDPOINT_URL"))))
		var answer *sts.GetCallerIdentityOutput
		if answer, err = client.GetCallerIdentity(context.Background(), nil); err == nil {
			fmt.Println(*answer.Arn)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
