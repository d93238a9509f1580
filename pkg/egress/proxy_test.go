package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// tunnels is a CONNECT proxy that notes what it is asked for.
type tunnels struct {
	*httptest.Server

	authorization string // wanted, "" for none
	mu            sync.Mutex
	asked         []string
}

func newTunnels(t *testing.T, secure *tls.Config, authorization string) *tunnels {
	t.Helper()
	p := &tunnels{authorization: authorization}
	p.Server = httptest.NewUnstartedServer(p)
	if secure == nil {
		p.Start()
	} else {
		p.TLS = secure
		p.StartTLS()
	}
	t.Cleanup(p.Close)
	return p
}

func (p *tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	p.mu.Unlock()
	if r.Header.Get("Proxy-Authorization") != p.authorization {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	far, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.RequestURI)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(far, buffered); _ = far.(*net.TCPConn).CloseWrite() })
	both.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
	both.Wait()
}

func (p *tunnels) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// The receiver's name is looked up here, and the proxy hears its address. TLS,
// certificate and Host stay with the name.
func TestThroughAProxy(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	named := ca.issue(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"hooks.example.com"} })
	ns := newNameserver(t, map[string][][]string{"hooks.example.com": {{"127.0.0.1"}}, "other.example.com": {{"127.0.0.1"}}})
	for name, tt := range map[string]struct {
		secure bool   // the proxy itself
		user   string // in the proxy's URL
		header string // that the proxy wants
	}{
		"plain":        {},
		"with a user":  {user: "hooks:p%40ss@", header: "Basic aG9va3M6cEBzcw=="},
		"secure":       {secure: true},
		"secure, user": {secure: true, user: "u:@", header: "Basic dTo="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var secure *tls.Config
			scheme := "http://"
			if tt.secure {
				secure, scheme = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, "https://"
			}
			p := newTunnels(t, secure, tt.header)
			seen := make(chan *http.Request, 1)
			s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{named}}, true, func(_ http.ResponseWriter, r *http.Request) { seen <- r })
			c := client(t, func(cfg *Config) {
				cfg.Resolver, cfg.RootCAs = ns.resolver(), ca.pool()
				cfg.Proxy = scheme + tt.user + p.Listener.Addr().String()
			})
			_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
			out := c.Send(t.Context(), post("https://hooks.example.com:"+port+"/"))
			want(t, out, "", "")
			if r := <-seen; r.Host != "hooks.example.com:"+port || r.TLS.ServerName != "hooks.example.com" || r.ProtoMajor != 2 {
				t.Errorf("the receiver saw host %s, TLS name %s, %s", r.Host, r.TLS.ServerName, r.Proto)
			}
			if asked := p.requests(); len(asked) != 1 || asked[0] != "CONNECT 127.0.0.1:"+port {
				t.Errorf("the proxy was asked for %v", asked)
			}
			if out.RemoteAddr != "127.0.0.1:"+port || out.Phases.Resolve <= 0 || out.Phases.Connect <= 0 || out.Phases.TLS <= 0 {
				t.Errorf("address %q, phases %+v", out.RemoteAddr, out.Phases)
			}
			out = c.Send(t.Context(), post("https://other.example.com:"+port+"/"))
			want(t, out, delivery.ReasonTLS, "The certificate is for another name than other.example.com")
		})
	}
}

// With ExtraCAFile the operator's own authority vouches for the proxy too.
func TestPlainRequestThroughASecureProxy(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newTunnels(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, "")
	s := serve(t, ok)
	c := client(t, func(cfg *Config) { cfg.ExtraCAFile, cfg.Proxy = file, "https://"+p.Listener.Addr().String() })
	want(t, c.Send(t.Context(), post(s.URL)), "", "")
	want(t, c.Send(t.Context(), post(s.URL)), "", "")
	if asked := p.requests(); len(asked) != 1 {
		t.Errorf("the tunnel was not kept: %v", asked)
	}
}

// The guard decides before the proxy hears of anything.
func TestGuardBeforeTheProxy(t *testing.T) {
	t.Parallel()
	p := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 200 OK\r\n\r\n"))
	internal := listen(t, "tcp", "127.0.0.1:0", answer("HTTP/1.1 200 OK\r\n\r\n"))
	ns := newNameserver(t, map[string][][]string{
		"loopback.example.com": {{"127.0.0.1"}},
		"metadata.example.com": {{"169.254.169.254"}},
		"mixed.example.com":    {{"93.184.215.14", "10.0.0.1"}},
		"mapped.example.com":   {{"::ffff:127.0.0.1"}},
		"nat64.example.com":    {{"64:ff9b::7f00:1"}},
		"alias.example.com":    {{"@loopback.example.com"}},
	})
	proxyURL := "http://" + p.Addr().String()
	c := client(t, func(cfg *Config) { cfg.Resolver, cfg.Policy, cfg.Proxy = ns.resolver(), endpoint.Policy{}, proxyURL })
	for host := range ns.zone {
		out := c.Send(t.Context(), post("https://"+host+":"+internal.port()+"/"))
		want(t, out, delivery.ReasonBlockedAddress, "Address not allowed: "+host+" does not lead to a public address")
	}
	u, err := parseProxy(proxyURL)
	if err != nil {
		t.Fatal(err)
	}
	direct := newProxy(u, Config{Timeout: DefaultTimeout}, nil)
	if _, err := direct.connect(t.Context(), netip.MustParseAddrPort(internal.Addr().String())); !blocked(err) {
		t.Errorf("connect: %v", err)
	}
	untouched(t, p)
	untouched(t, internal)
}

// What the proxy itself does wrong is our trouble; what it says of the address
// is the endpoint's.
func TestProxyFails(t *testing.T) {
	t.Parallel()
	const ours = "The request could not be sent, for a reason on our side"
	endless := func(c *net.TCPConn) {
		request(bufio.NewReader(c))
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for err == nil {
			_, err = io.WriteString(c, "X-Padding: "+strings.Repeat("a", 1000)+"\r\n")
		}
	}
	for name, tt := range map[string]struct {
		handle  func(*net.TCPConn)
		reason  delivery.Reason
		message string
	}{
		"wants a password": {answer("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), delivery.ReasonInternal, ours},
		"refuses":          {answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), delivery.ReasonInternal, ours},
		"redirects":        {answer("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"), delivery.ReasonInternal, ours},
		"is no proxy":      {answer("SSH-2.0-OpenSSH_9.9\r\n"), delivery.ReasonInternal, ours},
		"closes":           {func(*net.TCPConn) {}, delivery.ReasonInternal, ours},
		"says too much":    {answer("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), delivery.ReasonInternal, ours},
		"never ends":       {endless, delivery.ReasonInternal, ours},
		"cannot connect":   {answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), delivery.ReasonConnect, "No connection could be made to 127.0.0.2"},
		"no server there":  {answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), delivery.ReasonConnect, "No connection could be made to 127.0.0.2"},
		"has no answer":    {answer("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), delivery.ReasonConnect, "No connection could be made to 127.0.0.2"},
		"says nothing":     {func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }, delivery.ReasonTimeout, "No answer within 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := listen(t, "tcp", "127.0.0.1:0", tt.handle)
			c := client(t, func(cfg *Config) {
				cfg.Proxy = "http://user:hunter2@" + p.Addr().String()
				if tt.reason == delivery.ReasonTimeout {
					cfg.Timeout = short
				}
			})
			out := c.Send(t.Context(), post("https://127.0.0.2:8443/"))
			want(t, out, tt.reason, tt.message)
			if strings.Contains(out.Cause.Error(), "hunter2") || out.RemoteAddr != "" {
				t.Errorf("cause %q, address %q", out.Cause, out.RemoteAddr)
			}
		})
	}
}

// A proxy that is away, or that cannot be trusted, is no endpoint's failure.
func TestProxyCannotBeReached(t *testing.T) {
	t.Parallel()
	u, err := parseProxy("http://proxy.example.com:3128")
	if err != nil {
		t.Fatal(err)
	}
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"refused": func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") },
		"silent":  func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
	} {
		p := newProxy(u, Config{Timeout: short, Policy: local}, nil)
		p.dial = dial
		_, err := p.connect(t.Context(), netip.MustParseAddrPort("127.0.0.1:443"))
		if reason, _ := explain(&dialError{stage: connecting, err: err}, circumstances{}); reason != delivery.ReasonInternal {
			t.Errorf("%s: %s, %v", name, reason, err)
		}
	}
	silent := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	c := client(t, func(cfg *Config) { cfg.Timeout, cfg.Proxy = short, "https://"+silent.Addr().String() })
	want(t, c.Send(t.Context(), post("https://127.0.0.2:8443/")), delivery.ReasonInternal, "The request could not be sent, for a reason on our side")

	stranger := newTunnels(t, &tls.Config{Certificates: []tls.Certificate{newAuthority(t).issue(t, nil)}}, "")
	c = client(t, func(cfg *Config) {
		cfg.RootCAs, cfg.Proxy = newAuthority(t).pool(), "https://"+stranger.Listener.Addr().String()
	})
	want(t, c.Send(t.Context(), post("https://127.0.0.2:8443/")), delivery.ReasonInternal, "The request could not be sent, for a reason on our side")
}

func TestProxyURLs(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"http://proxy", "http://proxy:3128/", "https://u:p@proxy.example.com", "http://[::1]:3128"} {
		if _, err := parseProxy(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for _, raw := range []string{
		"proxy:3128", "socks5://hunter2@proxy", "http://", "http:proxy", "http://u:hunter2@proxy/path", "http://u:hunter2@proxy?x=1",
		"http://u:hunter2@proxy#x", "http://u:hunter2@pro xy", "http://u:hunter2%zz@proxy",
	} {
		if _, err := New(Config{Proxy: raw}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestDefaultPortsOfProxies(t *testing.T) {
	t.Parallel()
	for raw, address := range map[string]string{
		"http://proxy": "proxy:80", "https://proxy": "proxy:443", "https://proxy:3128": "proxy:3128", "http://[::1]": "[::1]:80",
	} {
		u, err := parseProxy(raw)
		if err != nil {
			t.Fatal(err)
		}
		if p := newProxy(u, Config{}, nil); p.address != address {
			t.Errorf("%s leads to %s", raw, p.address)
		}
	}
}
