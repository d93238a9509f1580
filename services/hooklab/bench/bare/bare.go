// Package bare is what the system is compared with: a net/http client that
// sends the same requests to the same receiver and does nothing else.
package bare

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
)

// Plan says what to send.
type Plan struct {
	Hosts     []string      `json:"hosts"`     // base URLs, in turn
	Run       string        `json:"run"`       // of the events' ids
	Count     int           `json:"count"`     // requests
	InFlight  int           `json:"inFlight"`  // at once
	Every     time.Duration `json:"every"`     // from one request to the next; 0 for as fast as they are answered
	HTTP2     bool          `json:"http2"`     // where the receiver offers it
	Authority string        `json:"authority"` // PEM to trust for https
}

// Report is the result of a plan.
type Report struct {
	Rate float64       `json:"rate"`           // requests a second
	CPU  time.Duration `json:"cpu"`            // of this process, for one request
	Sent []int64       `json:"sent,omitempty"` // with Every: when each was sent, in Unix nanoseconds
}

// Run reads a plan as JSON, carries it out and writes the report as JSON. It
// returns an error when any request fails: a rate that holds failures means
// nothing.
func Run(ctx context.Context, in io.Reader, out io.Writer) error {
	var p Plan
	if err := json.NewDecoder(in).Decode(&p); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	if len(p.Hosts) == 0 || p.Count < 1 || p.InFlight < 1 {
		return errors.New("the plan has no hosts, no count, or nothing in flight")
	}
	report, err := carryOut(ctx, p)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(report); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func carryOut(ctx context.Context, p Plan) (Report, error) {
	l, err := newLoop(p)
	if err != nil {
		return Report{}, err
	}
	defer l.client.CloseIdleConnections()
	// The system has its connections open too when it is measured.
	if err := l.closed(ctx, max(2*p.InFlight, 2*len(p.Hosts)), "/quiet"); err != nil {
		return Report{}, err
	}
	began, before := time.Now(), processorTime()
	if p.Every > 0 {
		err = l.paced(ctx)
	} else {
		err = l.closed(ctx, p.Count, "/ok/0")
	}
	took, used := time.Since(began), processorTime()-before
	if err != nil {
		return Report{}, err
	}
	return Report{Rate: float64(p.Count) / took.Seconds(), CPU: used / time.Duration(p.Count), Sent: l.sent}, nil
}

type loop struct {
	plan   Plan
	client *http.Client
	sent   []int64
}

func newLoop(p Plan) (*loop, error) {
	transport := &http.Transport{
		MaxIdleConns: 16 << 10, MaxIdleConnsPerHost: p.InFlight,
		DisableCompression: true, ForceAttemptHTTP2: p.HTTP2,
	}
	if p.Authority != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(p.Authority)) {
			return nil, errors.New("the authority is no certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &loop{plan: p, client: &http.Client{Transport: transport}}, nil
}

// closed sends requests, each as soon as one before it was answered.
func (l *loop) closed(ctx context.Context, count int, path string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range l.plan.InFlight {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := l.send(ctx, i, path); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// paced sends requests at their times, whatever became of those before.
func (l *loop) paced(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.sent = make([]int64, l.plan.Count)
	var under sync.WaitGroup
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range l.sent {
		timer.Reset(time.Until(began.Add(time.Duration(i) * l.plan.Every)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			under.Wait()
			return context.Cause(ctx)
		}
		l.sent[i] = time.Now().UnixNano()
		under.Go(func() {
			if err := l.send(ctx, i, "/ok/0"); err != nil {
				cancel(err)
			}
		})
	}
	under.Wait()
	return context.Cause(ctx)
}

func (l *loop) send(ctx context.Context, i int, path string) error {
	id := specimen.ID(l.plan.Run, i)
	body := specimen.Body(specimen.Organization(1), event.CallCompleted, id)
	url := l.plan.Hosts[i%len(l.plan.Hosts)] + path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	req.Header = header(id)
	resp, err := l.client.Do(req)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the receiver answered %s", resp.Status)
	}
	return nil
}

// header returns headers as those of a delivery: the same names, values of the
// same length.
func header(id string) http.Header {
	return http.Header{
		"Content-Type":         {"application/json"},
		"User-Agent":           {"DialNote-Webhooks/bare"},
		"X-DialNote-Signature": {"sha256=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		"X-DialNote-Event":     {"call.completed"},
		"X-DialNote-Delivery":  {"dlv_0123456789abcdefghjkmnpqrs"},
		"webhook-id":           {id},
		"webhook-timestamp":    {"1767603600"},
		"webhook-signature":    {"v1,0123456789abcdef0123456789abcdef0123456789a="},
	}
}

// processorTime returns what this process has used.
func processorTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0 // cannot happen: the arguments are right
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
