package azuredns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns/fake"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

// A vendors is record sets behind the vendor's own fake of its API, which takes
// requests apart as the real one does: path, conditions, body.
type vendors struct {
	t *testing.T

	mu   sync.Mutex
	sets map[string]armdns.RecordSet
	n    int
}

func (v *vendors) server() *fake.RecordSetsServer {
	return &fake.RecordSetsServer{
		Get: func(_ context.Context, g, z, name string, kind armdns.RecordType, _ *armdns.RecordSetsClientGetOptions) (resp azfake.Responder[armdns.RecordSetsClientGetResponse], errResp azfake.ErrorResponder) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.check(g, z, kind)
			set, ok := v.sets[name]
			if !ok {
				errResp.SetResponseError(http.StatusNotFound, "NotFound")
				return
			}
			resp.SetResponse(http.StatusOK, armdns.RecordSetsClientGetResponse{RecordSet: set}, nil)
			return
		},
		CreateOrUpdate: func(_ context.Context, g, z, name string, kind armdns.RecordType, set armdns.RecordSet, o *armdns.RecordSetsClientCreateOrUpdateOptions) (resp azfake.Responder[armdns.RecordSetsClientCreateOrUpdateResponse], errResp azfake.ErrorResponder) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.check(g, z, kind)
			old, there := v.sets[name]
			switch {
			case o == nil || (o.IfMatch == nil) == (o.IfNoneMatch == nil):
				v.t.Error("a write with no condition, or with two")
			case o.IfMatch != nil && (!there || *old.Etag != *o.IfMatch), o.IfNoneMatch != nil && (*o.IfNoneMatch != "*" || there):
				errResp.SetResponseError(http.StatusPreconditionFailed, "PreconditionFailed")
				return
			}
			v.n++
			tag := fmt.Sprintf("etag-%d", v.n)
			set.Etag = &tag
			v.sets[name] = set
			resp.SetResponse(http.StatusCreated, armdns.RecordSetsClientCreateOrUpdateResponse{RecordSet: set}, nil)
			return
		},
		Delete: func(_ context.Context, g, z, name string, kind armdns.RecordType, o *armdns.RecordSetsClientDeleteOptions) (resp azfake.Responder[armdns.RecordSetsClientDeleteResponse], errResp azfake.ErrorResponder) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.check(g, z, kind)
			old, there := v.sets[name]
			switch {
			case o == nil || o.IfMatch == nil:
				v.t.Error("a deletion without a condition")
			case !there:
				resp.SetResponse(http.StatusNoContent, armdns.RecordSetsClientDeleteResponse{}, nil)
				return
			case *old.Etag != *o.IfMatch:
				errResp.SetResponseError(http.StatusPreconditionFailed, "PreconditionFailed")
				return
			}
			delete(v.sets, name)
			resp.SetResponse(http.StatusOK, armdns.RecordSetsClientDeleteResponse{}, nil)
			return
		},
	}
}

func (v *vendors) check(g, z string, kind armdns.RecordType) {
	if g != group || z != zone || kind != armdns.RecordTypeTXT {
		v.t.Errorf("group %q, zone %q, type %q", g, z, kind)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// through is the vendor's transport as one of HTTP: an answer that refuses is an
// answer, and no error.
func through(server *fake.RecordSetsServer) roundTripper {
	transport := fake.NewRecordSetsServerTransport(server)
	return func(req *http.Request) (*http.Response, error) {
		resp, err := transport.Do(req)
		var refused *azcore.ResponseError
		if errors.As(err, &refused) {
			return refused.RawResponse, nil
		}
		return resp, err
	}
}

// TestVendorsFake runs the suite against the vendor's fake.
func TestVendorsFake(t *testing.T) {
	start(t) // for tokens
	v := &vendors{t: t, sets: map[string]armdns.RecordSet{}}
	api := through(v.server())
	lost := fmt.Errorf("no answer: %w", web.ErrUncertain)
	var n atomic.Int64
	registertest.Test(t, func(t *testing.T) registertest.Fixture {
		name := fmt.Sprintf("record%d.%s", n.Add(1), zone)
		open := func(name string, api roundTripper) register.Register {
			c, err := newClient(config("https://localhost"), nil, api)
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.Register(name)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		return registertest.Fixture{
			Provider: "azuredns", Name: name, Secrets: []string{cloudtest.AzureToken},
			Open:      func() register.Register { return open(name, api) },
			Neighbour: func() register.Register { return open("beside."+name, api) },
			LoseReply: func() register.Register {
				return open(name, func(req *http.Request) (*http.Response, error) {
					if _, err := api(req); err != nil {
						return nil, err
					}
					return nil, lost
				})
			},
			LoseRequest: func() register.Register {
				return open(name, func(*http.Request) (*http.Response, error) { return nil, lost })
			},
			Unreachable: func() register.Register {
				return open(name, func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
			},
		}
	})
}
