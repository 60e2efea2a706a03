package azuredns

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/solotick/solotick/register"
)

// credential is what gets tokens. It asks nobody yet.
func (cfg *Config) credential(where cloud.Configuration, identity policy.Transporter) (azcore.TokenCredential, error) {
	o := policy.ClientOptions{
		Cloud: where, Retry: policy.RetryOptions{MaxRetries: -1}, Telemetry: policy.TelemetryOptions{Disabled: true}, Transport: identity,
	}
	switch {
	case !cfg.ClientSecret.IsZero():
		if cfg.TenantID == "" || cfg.ClientID == "" {
			return nil, errors.New("a client secret needs the ids of its tenant and client")
		}
		return azidentity.NewClientSecretCredential(cfg.TenantID, cfg.ClientID, cfg.ClientSecret.Reveal(), &azidentity.ClientSecretCredentialOptions{ClientOptions: o})
	case cfg.ClientID == "":
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: o, TenantID: cfg.TenantID})
	}
	// The default chain takes the client's id from the environment only.
	var chain []azcore.TokenCredential
	pod, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o, ClientID: cfg.ClientID, TenantID: cfg.TenantID})
	if err == nil { // else no token file is there: this is no pod
		chain = append(chain, pod)
	}
	machine, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: azidentity.ClientID(cfg.ClientID)})
	if err != nil {
		return nil, err
	}
	return azidentity.NewChainedTokenCredential(append(chain, machine), nil)
}

// noToken is the error of a request that was not sent, as there was no token for
// it. The library's own has many lines, and the whole body of an answer to a
// request that held a secret.
func (c *Client) noToken(ctx context.Context, err error) error {
	var entra *azidentity.AuthenticationFailedError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("no token: %w", ctx.Err())
	case timedOut(err):
		return fmt.Errorf("no token: %w", context.DeadlineExceeded)
	case errors.As(err, &entra) && entra.RawResponse != nil:
		return c.entraSaid(entra.RawResponse)
	}
	return &register.Problem{
		Err: fmt.Errorf("no token: %s", line(err.Error())),
		Do: "give this machine or pod an identity, or name an application: its tenant, client id and client secret; " +
			"the environment variable AZURE_TOKEN_CREDENTIALS=prod has only the identities of servers tried",
	}
}

// entraRemedies are what to do about the errors of Microsoft Entra that are met
// when a credential is new, or has become old.
var entraRemedies = map[string]string{
	"AADSTS7000215": "the client secret is wrong: give the secret's value, and not its id",
	"AADSTS7000222": "the client secret has expired: az ad app credential reset --append --id CLIENT",
	"AADSTS700016":  "the tenant has no such application: check client id and tenant id",
	"AADSTS90002":   "there is no such tenant in this cloud: az account show --query tenantId",
	"AADSTS900023":  "the tenant id is none: az account show --query tenantId",
	"AADSTS70021":   "no federated credential of the application matches this pod's service account: add one for its issuer and subject",
	"AADSTS700213":  "no federated credential of the application matches this pod's service account: add one for its issuer and subject",
	"AADSTS700024":  "the clock of this machine is wrong: chronyc tracking",
	"AADSTS53003":   "a policy of conditional access blocks the identity: exclude it there",
}

// entraSaid is what an authority says of a request for a token: RFC 6749 section
// 5.2.
func (c *Client) entraSaid(resp *http.Response) error {
	body, _ := io.ReadAll(resp.Body) // what cannot be read is not shown
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	who := "the authority"
	if resp.Request != nil && resp.Request.URL != nil {
		who = resp.Request.URL.Host
	}
	text := fmt.Sprintf("no token: %s answered %d", who, resp.StatusCode)
	if json.Unmarshal(body, &said) == nil && said.Code != "" {
		text += ": " + line(said.Code+" "+said.Description)
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 {
		return errors.New(text)
	}
	code, _, _ := strings.Cut(said.Description, ":")
	do := strings.Replace(entraRemedies[code], "CLIENT", c.clientID, 1)
	return &register.Problem{
		Err: fmt.Errorf("%w: %s", register.ErrRefused, text),
		Do:  cmp.Or(do, "check the ids of tenant and client, and the secret: az login --service-principal"),
	}
}

// line is the first line of a text of a service or a library, and not much of it.
func line(text string) string {
	const most = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
