package tcp

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// failDial dials and expects an error of the given kind.
func failDial(t *testing.T, ctx context.Context, tr *Transport, addr string, kind error) error {
	t.Helper()
	start := time.Now()
	c, err := tr.Dial(ctx, addr)
	if err == nil {
		c.Close(core.CodeNormal, "")
		t.Fatalf("Dial(%s) succeeds; want %v", addr, kind)
	}
	if c != nil || !errors.Is(err, kind) {
		t.Errorf("Dial(%s) = %v, %v; want %v", addr, c, err, kind)
	}
	if d := time.Since(start); d > limit/2 {
		t.Errorf("Dial took %v", d)
	}
	return err
}

func TestDialToNobody(t *testing.T) {
	clean(t)
	tr := New(Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	err = failDial(t, testContext(t), tr, l.Addr().String(), core.ErrRefused)
	if !strings.Contains(err.Error(), l.Addr().String()) || errors.Is(err, core.ErrTimeout) {
		t.Errorf("unclear error: %v", err)
	}
	failDial(t, testContext(t), tr, "no port", core.ErrRefused)
	failDial(t, testContext(t), tr, "127.0.0.1:1#short", core.ErrMalformed)
}

// A server that accepts and says nothing.
func TestDialToSilence(t *testing.T) {
	for name, serve := range map[string]struct {
		shake bool
		serve func(net.Conn)
	}{
		"before TLS":         {false, func(c net.Conn) { io.Copy(io.Discard, c) }},
		"instead of welcome": {true, func(c net.Conn) { io.Copy(io.Discard, c) }},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			addr, gone := rawServer(t, serve.shake, serve.serve)
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			err := failDial(t, ctx, New(Config{}), addr, core.ErrTimeout)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap the context's error", err)
			}
			<-gone // the socket is closed
		})
		t.Run(name+", cancelled", func(t *testing.T) {
			clean(t)
			shook := make(chan struct{})
			addr, _ := rawServer(t, serve.shake, func(c net.Conn) { close(shook); serve.serve(c) })
			ctx, cancel := context.WithCancelCause(context.Background())
			go func() { <-shook; cancel(errors.New("the player pressed Escape")) }()
			err := failDial(t, ctx, New(Config{}), addr, context.Canceled)
			if errors.Is(err, core.ErrTimeout) {
				t.Errorf("%v is no timeout", err)
			}
		})
		t.Run(name+", HandshakeTimeout", func(t *testing.T) {
			clean(t)
			addr, _ := rawServer(t, serve.shake, serve.serve)
			failDial(t, context.Background(), New(Config{HandshakeTimeout: 50 * time.Millisecond}), addr, core.ErrTimeout)
		})
	}
	t.Run("before the dial", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		failDial(t, ctx, New(Config{}), "127.0.0.1:1", context.Canceled)
	})
}

func TestDialToStrangers(t *testing.T) {
	pub, key, _ := ed25519.GenerateKey(nil)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	foreign := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for _, tt := range []struct {
		name  string
		shake bool
		serve func(net.Conn)
		kind  error
	}{
		{"closes", false, func(c net.Conn) {}, core.ErrRefused},
		{"speaks HTTP", false, func(c net.Conn) { c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); io.Copy(io.Discard, c) }, core.ErrRefused},
		{"is a web server", false, func(c net.Conn) {
			tls.Server(c, &tls.Config{Certificates: []tls.Certificate{foreign}, NextProtos: []string{"h2"}}).Handshake()
		}, core.ErrRefused},
		{"has a foreign key", false, func(c net.Conn) {
			tls.Server(c, &tls.Config{Certificates: []tls.Certificate{foreign}, NextProtos: []string{identity.Protocol}}).Handshake()
			io.Copy(io.Discard, c)
		}, core.ErrUntrusted},
		{"closes after TLS", true, func(c net.Conn) {}, core.ErrRefused},
		{"says no", true, func(c net.Conn) {
			c.Write(appendClose(nil, core.CodeFull, "64 players are here"))
			io.Copy(io.Discard, c)
		}, core.ErrRefused},
		{"skips the welcome", true, func(c net.Conn) { c.Write(appendHeader(nil, kindMessage, 0)); io.Copy(io.Discard, c) }, core.ErrRefused},
		{"sends nonsense", true, func(c net.Conn) { c.Write([]byte("\xff\xff\xff\xff")); io.Copy(io.Discard, c) }, core.ErrRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			addr, _ := rawServer(t, tt.shake, tt.serve)
			err := failDial(t, testContext(t), New(Config{}), addr, tt.kind)
			t.Log(err)
			var ce *core.CloseError
			if tt.name == "says no" && (!errors.As(err, &ce) || ce.Code != core.CodeFull || ce.Reason != "64 players are here") {
				t.Errorf("the reason is lost: %v", err)
			}
		})
	}
}

func TestPins(t *testing.T) {
	clean(t)
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	tr := New(Config{Identity: key})
	l := listen(t, tr)
	if l.Pin() != key.Pin() {
		t.Fatalf("the Listener's pin is %s, the key's %s", l.Pin(), key.Pin())
	}
	other, err := identity.Generate()
	if err != nil {
		t.Fatal(err)
	}
	local := l.Addr().String()
	_, port, _ := net.SplitHostPort(local)

	// Dialers that lead to the Listener, whatever they are asked for.
	leading := func(remote net.Addr) *Transport {
		return New(Config{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, local)
			if err != nil || remote == nil {
				return c, err
			}
			return &elsewhere{c, remote}, nil
		}})
	}
	far := leading(&net.TCPAddr{IP: net.IPv4(203, 0, 113, 5), Port: 7777})
	sim := leading(&net.UnixAddr{Name: "server", Net: "sim"})
	proxy := leading(nil)

	for _, tt := range []struct {
		name string
		tr   *Transport
		addr string
		ok   bool
	}{
		{"right pin", tr, local + "#" + key.Pin(), true},
		{"right pin in upper case", tr, " " + local + "#" + strings.ToUpper(key.Pin()) + "\n", true},
		{"wrong pin", tr, local + "#" + other.Pin(), false},
		{"no pin, on loopback", tr, local, true},
		{"no pin, localhost", tr, "localhost:" + port, true},
		{"right pin, far away", far, "play.example.org:7777#" + key.Pin(), true},
		{"wrong pin, far away", far, "play.example.org:7777#" + other.Pin(), false},
		{"no pin, far away", far, "play.example.org:7777", false},
		{"no pin, far away under a local name", far, "localhost:7777", false},
		{"no pin, simulated", sim, "server:7777", true},
		{"no pin, far address through a local proxy", proxy, "203.0.113.5:7777", false},
		{"no pin, far name through a local proxy", proxy, "play.example.org:7777", false},
		{"no pin, near address through a local dialer", proxy, "127.0.0.1:7777", true},
		{"no pin, near name through a local dialer", proxy, "LocalHost.:7777", true},
		{"right pin through a local proxy", proxy, "play.example.org:7777#" + key.Pin(), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.ok {
				err := failDial(t, testContext(t), tt.tr, tt.addr, core.ErrUntrusted)
				if strings.Contains(tt.name, "no pin") && strings.Contains(err.Error(), key.Pin()) {
					t.Errorf("the error shows a pin to copy: %v", err)
				}
				t.Log(err)
				return
			}
			c, err := tt.tr.Dial(testContext(t), tt.addr)
			if err != nil {
				t.Fatal(err)
			}
			id, ok := core.As[core.Identifier](c)
			if !ok || id.PeerIdentity() != key.Pin() {
				t.Errorf("the peer's identity is not the pin")
			}
			c.Close(core.CodeNormal, "")
		})
	}
}

// elsewhere is a connection that says it leads to addr.
type elsewhere struct {
	net.Conn
	addr net.Addr
}

func (e *elsewhere) RemoteAddr() net.Addr { return e.addr }

// Each Transport has its own key if it is given none, and one key for all Listeners.
func TestFreshIdentity(t *testing.T) {
	clean(t)
	tr := New(Config{})
	a, b, other := listen(t, tr), listen(t, tr), listen(t, New(Config{}))
	if a.Pin() != b.Pin() || a.Pin() == other.Pin() || len(a.Pin()) != identity.PinSize {
		t.Errorf("pins %s, %s and %s", a.Pin(), b.Pin(), other.Pin())
	}
}
