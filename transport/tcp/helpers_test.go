package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// limit bounds what must happen, with room for a slow machine.
const limit = 10 * time.Second

// clean fails the test if it leaves goroutines of this package behind. Call it first.
func clean(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		deadline := time.Now().Add(limit)
		for {
			left := strays()
			if left == "" {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("goroutines are left:\n%s", left)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// strays returns the stacks of goroutines that run this package's code.
func strays() string {
	buf := make([]byte, 4<<20)
	var left []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "transport/tcp.(*") && !strings.Contains(g, "testing.tRunner(") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func listen(t testing.TB, tr *Transport) *listener {
	t.Helper()
	l, err := tr.Listen(testContext(t), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*listener)
}

func dial(t testing.TB, tr *Transport, l core.Listener) *conn {
	t.Helper()
	c, err := tr.Dial(testContext(t), identity.Join(l.Addr().String(), l.(core.Pinner).Pin()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.(*conn).Drop(core.CodeNormal, "") })
	return c.(*conn)
}

func accept(t testing.TB, l core.Listener) *conn {
	t.Helper()
	c, err := l.Accept(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.(*conn).Drop(core.CodeNormal, "") })
	return c.(*conn)
}

// pair returns both ends of a connection.
func pair(t testing.TB, cfg Config) (client, server *conn) {
	t.Helper()
	clean(t)
	tr := New(cfg)
	l := listen(t, tr)
	client = dial(t, tr, l)
	return client, accept(t, l)
}

func send(t testing.TB, c core.Conn, d core.Delivery, msg string) {
	t.Helper()
	if err := c.Send(d, []byte(msg)); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func recv(t testing.TB, c core.Conn) string {
	t.Helper()
	msg, err := c.Recv(testContext(t))
	if err != nil {
		t.Fatalf("Recv: %v", err)
	}
	return string(msg)
}

// closed receives until the connection has ended, and returns why.
func closed(t testing.TB, c core.Conn) *core.CloseError {
	t.Helper()
	ctx := testContext(t)
	for {
		_, err := c.Recv(ctx)
		if err == nil {
			continue
		}
		var ce *core.CloseError
		if !errors.As(err, &ce) {
			t.Fatalf("Recv: %v; want a *core.CloseError", err)
		}
		return ce
	}
}

// rawClient is a peer that shakes hands like a client, and then does as it likes. It
// has read the welcome.
func rawClient(t testing.TB, l core.Listener) *tls.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(limit))
	c := tls.Client(nc, identity.ClientConfig(nc.RemoteAddr(), ""))
	var welcome [headerSize]byte
	if _, err := io.ReadFull(c, welcome[:]); err != nil {
		t.Fatal(err)
	}
	if kind, size, err := header(welcome[:]); kind != kindKeepalive || size != 0 || err != nil {
		t.Fatalf("the server begins with kind %d, %d bytes, %v; want a keepalive", kind, size, err)
	}
	return c
}

// rawServer does as it likes with the first connection it gets, and then closes it.
// With shake it is a TLS connection whose handshake is done.
// It closes done in the end.
func rawServer(t testing.TB, shake bool, serve func(net.Conn)) (addr string, done chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conf := serverConfig(t)
	done = make(chan struct{})
	go func() {
		defer close(done)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(limit))
		if shake {
			c := tls.Server(nc, conf)
			if c.Handshake() != nil {
				return
			}
			nc = c
		}
		serve(nc)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), done
}

var testKey = sync.OnceValues(identity.Generate)

func serverConfig(t testing.TB) *tls.Config {
	t.Helper()
	k, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	conf, err := identity.ServerConfig(k)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// wrapped is a net.Conn whose Read and Write a test replaces. It hides TCP's own
// methods.
type wrapped struct {
	net.Conn
	read, write func(p []byte) (int, error)
}

func (w *wrapped) Read(p []byte) (int, error) {
	if w.read != nil {
		return w.read(p)
	}
	return w.Conn.Read(p)
}

func (w *wrapped) Write(p []byte) (int, error) {
	if w.write != nil {
		return w.write(p)
	}
	return w.Conn.Write(p)
}

// wrapDial makes a DialContext whose connections pass through wrap.
func wrapDial(wrap func(net.Conn) net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return wrap(c), nil
	}
}

// byBytes reads and writes one byte at a time.
func byBytes(c net.Conn) net.Conn {
	return &wrapped{Conn: c,
		read: func(p []byte) (int, error) { return c.Read(p[:min(len(p), 1)]) },
		write: func(p []byte) (int, error) {
			for i := range p {
				if _, err := c.Write(p[i : i+1]); err != nil {
					return i, err
				}
			}
			return len(p), nil
		},
	}
}

// A gate lets writes pass only while it is open.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while writes pass
	held chan struct{} // gets a value when a write begins to wait
	shut chan struct{} // closed with the connection
}

func newGate() *gate {
	g := &gate{open: make(chan struct{}), held: make(chan struct{}, 1), shut: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

// gated is a connection behind a gate.
type gated struct {
	net.Conn
	g    *gate
	once sync.Once
}

func (c *gated) Write(p []byte) (int, error) {
	c.g.mu.Lock()
	open := c.g.open
	c.g.mu.Unlock()
	select {
	case <-open:
	default:
		signal(c.g.held)
		select {
		case <-open:
		case <-c.g.shut:
			return 0, net.ErrClosed
		}
	}
	return c.Conn.Write(p)
}

func (c *gated) Close() error {
	c.once.Do(func() { close(c.g.shut) })
	return c.Conn.Close()
}

// gatedPair is a pair whose client writes through a gate.
func gatedPair(t testing.TB, cfg Config) (client, server *conn, g *gate) {
	t.Helper()
	g = newGate()
	cfg.DialContext = wrapDial(func(c net.Conn) net.Conn { return &gated{Conn: c, g: g} })
	client, server = pair(t, cfg)
	return client, server, g
}
