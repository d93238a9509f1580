package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/load"
)

// front spreads requests over the config APIs that are in service, as a load
// balancer does. It takes no answer for another and tries nothing twice.
type front struct {
	mu    sync.Mutex
	bases []string
	apis  map[string]*load.API
	under map[string]*sync.WaitGroup // requests that each has
	turn  int
}

func newFront() *front {
	return &front{apis: map[string]*load.API{}, under: map[string]*sync.WaitGroup{}}
}

// add puts a config API into service.
func (f *front) add(base string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bases = append(f.bases, base)
	f.apis[base] = load.NewAPI(base, serviceToken, 16)
	f.under[base] = &sync.WaitGroup{}
}

// remove takes one out of service. Requests that it has go on; with wait it
// returns when there are none.
func (f *front) remove(base string, wait bool) {
	f.mu.Lock()
	f.bases = slices.DeleteFunc(f.bases, func(b string) bool { return b == base })
	under := f.under[base]
	f.mu.Unlock()
	if wait {
		under.Wait()
	}
}

// next returns whose turn it is, "" when none is in service, and what is called
// when the request has ended.
func (f *front) next() (base string, api *load.API, ended func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.bases) == 0 {
		return "", nil, nil
	}
	f.turn++
	base = f.bases[f.turn%len(f.bases)]
	f.under[base].Add(1)
	return base, f.apis[base], f.under[base].Done
}

// errNoAPI says that no config API is in service.
var errNoAPI = errors.New("no config API is in service")

// Publish implements load.Publisher.
func (f *front) Publish(ctx context.Context, e event.Event) error {
	_, api, ended := f.next()
	if api == nil {
		return errNoAPI
	}
	defer ended()
	return api.Publish(ctx, e)
}

// do makes a request that must be answered with want. into takes the answer,
// nil not.
func (f *front) do(method, path string, body any, want int, into any) error {
	base, _, ended := f.next()
	if base == "" {
		return errNoAPI
	}
	defer ended()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.Background(), method, base+"/v1/organizations/"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+serviceToken)
	if req.Header.Set("Content-Type", "application/json"); body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
		req.Header.Del("Content-Type")
	}
	req.Close = true // a kept connection could be closed at the very moment at which it is used again
	res, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != want {
		return fmt.Errorf("%s %s answered %d, want %d: %s", method, path, res.StatusCode, want, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
