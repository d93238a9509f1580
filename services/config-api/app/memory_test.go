package app_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/services/config-api/app"
)

// narrow is a listener whose connections keep little of what was not read yet, so
// that an answer to a caller that reads nothing stays where it is made.
type narrow struct{ net.Listener }

const narrowBuffer = 16 << 10

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, is := c.(*net.TCPConn); is {
		err = tcp.SetWriteBuffer(narrowBuffer)
	}
	return c, err
}

// largeDelivery records a delivery of an organization with a hundred large answers,
// and returns its path.
func largeDelivery(t *testing.T, s *postgres.Store, organizationID string) string {
	t.Helper()
	w := storetest.Webhook(organizationID)
	if err := s.Create(t.Context(), storetest.By(), w, 100); err != nil {
		t.Fatal(err)
	}
	attempts := make([]delivery.Attempt, 100)
	for i := range attempts {
		a := storetest.Succeeded(w, time.Now().Add(-time.Hour+time.Duration(i)*time.Second), time.Second)
		a.EventID, a.DeliveryID = keptEvent, delivery.ID(w.ID, keptEvent)
		a.Outcome.Response = delivery.Response{
			Header: map[string][]string{"X-Long": {strings.Repeat("h", 4000)}}, Body: bytes.Repeat([]byte{0}, 4096),
		}
		attempts[i] = a
	}
	if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), attempts); err != nil {
		t.Fatal(err)
	}
	return "/v1/organizations/" + organizationID + "/webhooks/" + w.ID + "/deliveries/" + attempts[0].DeliveryID
}

// slowly asks for a path, tells begun when the answer begins, and reads on when goOn
// is closed.
func (s *system) slowly(path string, begun chan<- struct{}, goOn <-chan struct{}) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, token); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	if _, err := r.Peek(1); err != nil {
		return err
	}
	begun <- struct{}{}
	<-goOn
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || n < 500<<10) {
		return fmt.Errorf("status %d and %d bytes", answer.StatusCode, n)
	}
	return err
}

// heap returns how much memory is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Forty callers ask for large answers at once and do not read them. It is not
// parallel, because it measures the memory of the process.
func TestLargeAnswersTakeLittleMemoryAndHoldUpNobodyElse(t *testing.T) { //nolint:paralleltest // See above.
	const callers, places, ofOne = 40, 32, 3
	db, err := postgres.Open(t.Context(), pgtest.Schema(t), storetest.Box(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := start(t)
	deps := s.dependencies()
	deps.Store = db
	a, err := app.New(app.Config{APITokens: "backend:" + token, MaxWebhooks: 100}, deps)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(a.Handler())
	server.Listener = narrow{server.Listener}
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.URL
	paths := make([]string, callers)
	for i := range paths {
		paths[i] = largeDelivery(t, db, fmt.Sprintf("org%d", i))
	}

	// ask has every path asked for, waits until so many answers have begun and the
	// other callers wait, and returns what has them read on.
	ask := func(paths []string, inProgress int) (finish func()) {
		begun, goOn, done := make(chan struct{}, callers), make(chan struct{}), make(chan error, callers)
		for _, path := range paths {
			go func() { done <- s.slowly(path, begun, goOn) }()
		}
		for range inProgress {
			<-begun
		}
		for !s.sees(t, fmt.Sprintf("dialnote_shared_used{of=\"reads\"} %d\n", inProgress), fmt.Sprintf("dialnote_shared_waiting{of=\"reads\"} %d\n", len(paths)-inProgress)) {
			runtime.Gosched()
		}
		return func() {
			close(goOn)
			for range paths {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
	}

	before := heap()
	finish := ask(paths, places)
	grown := int64(heap()) - int64(before)
	t.Logf("%d answers take %d KiB", places, grown>>10)
	if grown > places<<20 {
		t.Error("that is more than a megabyte each")
	}
	finish()

	same := make([]string, 4*ofOne)
	for i := range same {
		same[i] = paths[0]
	}
	finish = ask(same, ofOne)
	for _, path := range []string{paths[1], "/v1/organizations/org1/webhooks"} {
		s.do(t, call{path: path}).want(t, http.StatusOK)
	}
	finish()
}

// sees reports whether the metrics have the lines.
func (s *system) sees(t *testing.T, lines ...string) bool {
	t.Helper()
	metrics := string(s.do(t, call{path: "/metrics", token: "-"}).want(t, http.StatusOK).text)
	for _, line := range lines {
		if !strings.Contains(metrics, line) {
			return false
		}
	}
	return true
}
