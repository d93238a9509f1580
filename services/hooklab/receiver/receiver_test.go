package receiver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// start returns a receiver that listens on the loopback until the test ends.
func start(t *testing.T, o receiver.Options) (*receiver.Receiver, *receiver.Listener) {
	t.Helper()
	rec := receiver.New(o)
	t.Cleanup(func() {
		if err := rec.Close(); err != nil {
			t.Error(err)
		}
	})
	l, err := rec.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return rec, l
}

// limited returns a context that ends a test's wait that would never end.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

func request(t *testing.T, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(limited(t), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// answer is a whole answer, with its body read.
type answer struct {
	status int
	proto  string
	header http.Header
	body   []byte
}

// post posts and returns the answer, or an error when no whole one came.
func post(t *testing.T, c *http.Client, url, body string) (answer, error) {
	t.Helper()
	resp, err := c.Do(request(t, url, body))
	if err != nil {
		return answer{}, fmt.Errorf("post: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return answer{resp.StatusCode, resp.Proto, resp.Header, got}, nil
}

func statuses(t *testing.T, url string, n int) []int {
	t.Helper()
	c := client(t)
	var all []int
	for range n {
		got, err := post(t, c, url, "{}")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got.status)
	}
	return all
}

func TestPathsAnswerAsTheySay(t *testing.T) {
	t.Parallel()
	_, l := start(t, receiver.Options{})
	for path, want := range map[string][]int{
		"/":                     {200, 200},
		"/ok":                   {200, 200},
		"/any/path":             {200},
		"/status/503":           {503, 503},
		"/status/503/billing":   {503},
		"/status/200,500,200":   {200, 500, 200, 200},
		"/cycle/200,404":        {200, 404, 200, 404},
		"/gone":                 {410},
		"/delay/1ms":            {200},
		"/delay/1ms/crm":        {200},
		"/delay/1ms/502":        {502},
		"/retry-after/5":        {429},
		"/retry-after/5/503":    {503},
		"/redirect":             {302},
		"/redirect/308":         {308},
		"/status/204":           {204},
		"/flaky/0?seed=3":       {200, 200},
		"/flaky/1?seed=3":       {500, 500},
		"/status/teapot":        {400},
		"/status/100":           {400},
		"/status/":              {400},
		"/delay/soon":           {400},
		"/delay/-1s":            {400},
		"/flaky/2":              {400},
		"/flaky/NaN":            {400},
		"/flaky/0.5?seed=-1":    {400},
		"/retry-after":          {400},
		"/big/-1":               {400},
		"/big":                  {400},
		"/bomb/x":               {400},
		"/drip/0s":              {400},
		"/redirect/999":         {400},
		"/retry-after/5/503999": {400},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			if got := statuses(t, l.URL(path), len(want)); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestHeadersOfAnswers(t *testing.T) {
	t.Parallel()
	_, l := start(t, receiver.Options{})
	for _, c := range []struct{ path, header, want string }{
		{"/retry-after/5", "Retry-After", "5"},
		{"/redirect", "Location", "/ok"},
		{"/redirect/301?to=https%3A%2F%2Fexample.com%2Fx", "Location", "https://example.com/x"},
	} {
		answer, err := post(t, client(t), l.URL(c.path), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.header.Get(c.header); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.path, c.header, got, c.want)
		}
	}
}

func TestFlakyIsTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()
	_, l := start(t, receiver.Options{})
	const n = 200
	first := statuses(t, l.URL("/flaky/0.3/a?seed=1"), n)
	if again := statuses(t, l.URL("/flaky/0.3/b?seed=1"), n); !slices.Equal(first, again) {
		t.Error("the same seed failed other requests")
	}
	if other := statuses(t, l.URL("/flaky/0.3/c?seed=2"), n); slices.Equal(first, other) {
		t.Error("another seed failed the same requests")
	}
	failed := n - len(slices.DeleteFunc(first, func(s int) bool { return s == 500 }))
	if failed < n*20/100 || failed > n*40/100 {
		t.Errorf("%d of %d failed, want about 30 %%", failed, n)
	}
}

func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	_, l := start(t, receiver.Options{})
	t.Run("big", func(t *testing.T) {
		t.Parallel()
		got, err := post(t, client(t), l.URL("/big/1048576"), "")
		if err != nil || len(got.body) != 1<<20 {
			t.Errorf("got %d bytes, %v", len(got.body), err)
		}
	})
	t.Run("bomb", func(t *testing.T) {
		t.Parallel()
		got, err := post(t, client(t), l.URL("/bomb/3000000"), "")
		if err != nil || len(got.body) != 3_000_000 {
			t.Errorf("unpacked to %d bytes, %v", len(got.body), err)
		}
	})
	t.Run("truncate", func(t *testing.T) {
		t.Parallel()
		if _, err := post(t, client(t), l.URL("/truncate"), ""); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v, want an unexpected end", err)
		}
	})
	t.Run("close", func(t *testing.T) {
		t.Parallel()
		if _, err := post(t, client(t), l.URL("/close"), ""); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want an end", err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		if _, err := post(t, client(t), l.URL("/reset"), ""); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a reset", err)
		}
	})
	for _, path := range []string{"/garbage", "/endless-headers", "/endless-informational"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			if got, err := post(t, client(t), l.URL(path), ""); err == nil {
				t.Errorf("got %d, want an error", got.status)
			}
		})
	}
}

func TestDripSendsByteAfterByte(t *testing.T) {
	t.Parallel()
	_, l := start(t, receiver.Options{})
	resp, err := client(t).Do(request(t, l.URL("/drip/1ms"), ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got := make([]byte, 3)
	if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "..." {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestHangIsRecordedAndEndsWithTheReceiver(t *testing.T) {
	t.Parallel()
	rec, l := start(t, receiver.Options{})
	ended := make(chan error, 1)
	go func() {
		_, err := post(t, client(t), l.URL("/hang"), "{}")
		ended <- err
	}()
	if err := rec.WaitCount(limited(t), "/hang", 1); err != nil {
		t.Fatal(err)
	}
	if got := rec.Counts("/hang"); got.InFlight != 1 {
		t.Errorf("in flight: %d, want 1", got.InFlight)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a hanging request was answered")
	}
	if err := rec.Wait(limited(t), func() bool { return rec.Counts("").InFlight == 0 }); err != nil {
		t.Error(err)
	}
}

func TestHangEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	rec, l := start(t, receiver.Options{})
	ctx, leave := context.WithCancel(limited(t))
	go func() {
		_ = rec.WaitCount(ctx, "/hang", 1)
		leave()
	}()
	resp, err := client(t).Do(request(t, l.URL("/hang"), "{}").WithContext(ctx))
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("a hanging request was answered")
	}
	if err := rec.Wait(limited(t), func() bool { return rec.Counts("/hang").InFlight == 0 }); err != nil {
		t.Error(err)
	}
}

func TestSetChangesAPathWhileRunning(t *testing.T) {
	t.Parallel()
	rec, l := start(t, receiver.Options{})
	got := statuses(t, l.URL("/ok/crm"), 1)
	rec.Set("/ok/crm", receiver.Statuses(500, 502)) // counts from here
	got = append(got, statuses(t, l.URL("/ok/crm"), 3)...)
	if err := rec.SetText("/ok/crm", "status/418"); err != nil {
		t.Fatal(err)
	}
	got = append(got, statuses(t, l.URL("/ok/crm"), 1)...)
	for _, wrong := range []string{"status/abc", "nonsense"} {
		if err := rec.SetText("/ok/crm", wrong); err == nil {
			t.Errorf("SetText took %q", wrong)
		}
	}
	if err := rec.SetText("/ok/crm", ""); err != nil {
		t.Fatal(err)
	}
	got = append(got, statuses(t, l.URL("/ok/crm"), 1)...)
	if want := []int{200, 500, 502, 502, 418, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGateHoldsAnswersBack(t *testing.T) {
	t.Parallel()
	rec, l := start(t, receiver.Options{})
	gate := receiver.NewGate()
	rec.Set("/slow", gate.Holding(receiver.Statuses(201)))
	const n = 5
	results := make(chan error, n)
	for range n {
		go func() {
			got, err := post(t, client(t), l.URL("/slow"), "{}")
			if err == nil && got.status != 201 {
				err = fmt.Errorf("status %d", got.status)
			}
			results <- err
		}()
	}
	if err := rec.WaitCount(limited(t), "/slow", n); err != nil {
		t.Fatal(err)
	}
	if got := rec.Counts("/slow"); got.InFlight != n || got.MaxInFlight != n {
		t.Errorf("in flight %d, at most %d; want %d", got.InFlight, got.MaxInFlight, n)
	}
	select {
	case err := <-results:
		t.Fatalf("an answer passed the closed gate: %v", err)
	default:
	}
	gate.Open()
	gate.Open()
	for range n {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := rec.Wait(limited(t), func() bool { return rec.Counts("/slow").InFlight == 0 }); err != nil {
		t.Error(err)
	}
}

func TestWaitsSayWhatWasMissing(t *testing.T) {
	t.Parallel()
	rec, _ := start(t, receiver.Options{})
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	err := rec.WaitCount(ctx, "/ok", 2)
	if !errors.Is(err, reason) || !strings.Contains(err.Error(), `0 of 2 requests at "/ok"`) {
		t.Errorf("got %v", err)
	}
	if _, err := rec.WaitRequest(ctx, func(receiver.Request) bool { return true }); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

func TestWireKeepsOrderAndCaseOverOneConnection(t *testing.T) {
	t.Parallel()
	rec, l := start(t, receiver.Options{})
	conn, err := new(net.Dialer).DialContext(limited(t), "tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	send := func(header, body string) {
		t.Helper()
		if _, err := io.WriteString(conn, header+body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	// A body that looks like a request must not be taken for one.
	decoy := "POST /ok HTTP/1.1\r\nDecoy: 1\r\n\r\n"
	first := "POST /ok HTTP/1.1\r\nHost: h\r\nX-DialNote-Signature: a\r\nwebhook-id: b\r\nX-DIALNOTE-odd: c\r\nContent-Length: " + strconv.Itoa(len(decoy)) + "\r\n\r\n"
	chunked := "POST /ok HTTP/1.1\r\nHost: h\r\nZ-Last: 1\r\nA-First: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
	last := "POST /ok HTTP/1.1\r\nHost: h\r\nB: 1\r\na: 2\r\nContent-Length: 0\r\n\r\n"
	large := "POST /ok HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n"
	send(first, decoy)
	send(first, decoy)
	send(large, strings.Repeat("y", 200_000))
	send(first, decoy)
	send(chunked, "5\r\nhello\r\n0\r\n\r\n")
	send(last, "")
	send(last, "")
	want := []string{first, first, large, first, chunked, last, last}
	got := rec.Requests("")
	if len(got) != len(want) {
		t.Fatalf("got %d requests, want %d", len(got), len(want))
	}
	for i, r := range got {
		if r.Wire != want[i] {
			t.Errorf("request %d: header %q, want %q", i, r.Wire, want[i])
		}
	}
	wantNames := []string{"Host", "X-DialNote-Signature", "webhook-id", "X-DIALNOTE-odd", "Content-Length"}
	if names := got[0].WireNames(); !slices.Equal(names, wantNames) {
		t.Errorf("names %q, want %q", names, wantNames)
	}
	if string(got[0].Body) != decoy || got[2].BodySize != 200_000 || len(got[2].Body) != 128<<10 {
		t.Errorf("bodies: %q, %d of %d bytes", got[0].Body, len(got[2].Body), got[2].BodySize)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	authority, err := receiver.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind  receiver.CertificateKind
		check func(error) bool
	}{
		{receiver.GoodCertificate, func(err error) bool { return err == nil }},
		{receiver.ExpiredCertificate, func(err error) bool {
			var invalid x509.CertificateInvalidError
			return errors.As(err, &invalid) && invalid.Reason == x509.Expired
		}},
		{receiver.WrongNameCertificate, func(err error) bool {
			var host x509.HostnameError
			return errors.As(err, &host)
		}},
		{receiver.SelfSignedCertificate, func(err error) bool {
			var unknown x509.UnknownAuthorityError
			return errors.As(err, &unknown)
		}},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			certificate, err := authority.Certificate(c.kind)
			if err != nil {
				t.Fatal(err)
			}
			rec, _ := start(t, receiver.Options{})
			l, err := rec.ListenTLS(t.Context(), "127.0.0.1:0", certificate)
			if err != nil {
				t.Fatal(err)
			}
			_, err = post(t, trusting(t, authority, false), l.URL("/ok"), "{}")
			if !c.check(err) {
				t.Fatalf("got %v", err)
			}
			if err == nil && (!rec.Requests("")[0].TLS || rec.Requests("")[0].Wire == "") {
				t.Errorf("recorded %+v, want TLS and its wire header", rec.Requests("")[0])
			}
		})
	}
	if _, err := authority.Certificate("fancy"); err == nil {
		t.Error("an unknown kind was made")
	}
}

func trusting(t *testing.T, a *receiver.Authority, http2 bool) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM()) {
		t.Fatal("the authority's PEM was not read")
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: http2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	authority, err := receiver.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Certificate(receiver.GoodCertificate)
	if err != nil {
		t.Fatal(err)
	}
	rec, _ := start(t, receiver.Options{})
	l, err := rec.ListenHTTP2(t.Context(), "127.0.0.1:0", certificate)
	if err != nil {
		t.Fatal(err)
	}
	c := trusting(t, authority, true)
	if _, err := post(t, c, l.URL("/reset"), "{}"); err == nil {
		t.Error("a reset stream was answered")
	}
	got, err := post(t, c, l.URL("/ok"), "{}")
	if err != nil {
		t.Fatal(err)
	}
	if r := rec.Requests("/ok")[0]; got.proto != "HTTP/2.0" || r.Proto != "HTTP/2.0" || !r.TLS || r.Wire != "" {
		t.Errorf("answered with %s, recorded %+v", got.proto, r)
	}
}

func TestKeepsTheLastRequestsAndCountsAll(t *testing.T) {
	t.Parallel()
	rec, l := start(t, receiver.Options{Keep: 3, BodyLimit: 4})
	c := client(t)
	for i := range 8 {
		if _, err := post(t, c, l.URL("/ok/"+strconv.Itoa(i%2)), fmt.Sprintf("body %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	var numbers []uint64
	for _, r := range rec.Requests("") {
		numbers = append(numbers, r.Number)
		if string(r.Body) != "body" || r.BodySize != 6 {
			t.Errorf("kept %q of %d bytes", r.Body, r.BodySize)
		}
	}
	if !slices.Equal(numbers, []uint64{6, 7, 8}) {
		t.Errorf("kept %v, want the last three", numbers)
	}
	totals := rec.Totals()
	if totals.Requests != 8 || totals.Paths["/ok/0"].Requests != 4 || totals.Statuses[200] != 8 {
		t.Errorf("counted %+v", totals)
	}
	rec.Clear()
	if rec.Totals().Requests != 0 || len(rec.Requests("")) != 0 {
		t.Error("Clear left something")
	}
	if _, err := post(t, c, l.URL("/ok"), ""); err != nil {
		t.Fatal(err)
	}
	if kept := rec.Requests(""); len(kept) != 1 || kept[0].Number != 9 {
		t.Errorf("after Clear: kept %+v", kept)
	}
}

func TestAnEndlessBodyIsBroken(t *testing.T) {
	t.Parallel()
	rec, l := start(t, receiver.Options{})
	body := io.LimitReader(neverEnding{}, 17<<20)
	req, err := http.NewRequestWithContext(limited(t), http.MethodPost, l.URL("/ok"), body)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := client(t).Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
	err = rec.Wait(limited(t), func() bool { return rec.Counts("/ok").Broken == 1 })
	if err != nil || rec.Counts("/ok").Requests != 0 {
		t.Errorf("counted %+v, %v", rec.Counts("/ok"), err)
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte{'z'}, len(p))), nil
}
