package conformance

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// A double is a Transport whose methods a mutant replaces; those that it leaves are
// the inner one's. Each connection is two doubleConns, which spoil makes bad.
type double struct {
	core.Transport
	listen func(ctx context.Context, addr string) (core.Listener, error)
	dial   func(ctx context.Context, addr string) (core.Conn, error)
	door   func(l *doubleListener)
	spoil  func(c *doubleConn)
}

// newDouble returns a sound double over transport/mem.
func newDouble() *double { return doubleOf(new(mem.Transport)) }

func doubleOf(t core.Transport) *double {
	d := &double{Transport: t, listen: t.Listen, dial: t.Dial}
	d.door = func(*doubleListener) {}
	d.spoil = func(*doubleConn) {}
	return d
}

// each adds to what is done to every Conn, on both ends.
func (d *double) each(spoil func(c *doubleConn)) *double {
	before := d.spoil
	d.spoil = func(c *doubleConn) { before(c); spoil(c) }
	return d
}

func (d *double) Listen(ctx context.Context, addr string) (core.Listener, error) {
	l, err := d.listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	dl := &doubleListener{Listener: l, of: d, accept: l.Accept, addr: l.Addr, close: l.Close}
	d.door(dl)
	return dl, nil
}

func (d *double) Dial(ctx context.Context, addr string) (core.Conn, error) {
	c, err := d.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return d.conn(c, true), nil
}

func (d *double) conn(c core.Conn, dialed bool) core.Conn {
	dc := &doubleConn{Conn: c, dialed: dialed, send: c.Send, recv: c.Recv, maxSize: c.MaxSize, close: c.Close, remote: c.RemoteAddr, stats: c.Stats}
	d.spoil(dc)
	if dc.drop != nil {
		return doubleDropper{dc}
	}
	if dc.flush != nil {
		return doubleFlusher{dc}
	}
	if dc.inside != nil {
		return doubleWrapper{dc}
	}
	return dc
}

type doubleListener struct {
	core.Listener
	of     *double
	accept func(ctx context.Context) (core.Conn, error)
	addr   func() net.Addr
	close  func() error
}

func (l *doubleListener) Accept(ctx context.Context) (core.Conn, error) {
	c, err := l.accept(ctx)
	if err != nil {
		return nil, err
	}
	return l.of.conn(c, false), nil
}

func (l *doubleListener) Addr() net.Addr { return l.addr() }
func (l *doubleListener) Close() error   { return l.close() }

// A doubleConn hides the abilities of the inner Conn.
type doubleConn struct {
	core.Conn
	dialed  bool
	send    func(d core.Delivery, msg []byte) error
	recv    func(ctx context.Context) ([]byte, error)
	maxSize func(d core.Delivery) int
	close   func(code core.Code, reason string) error
	remote  func() net.Addr
	stats   func() core.Stats
	drop    func(code core.Code, reason string)
	flush   func() error
	inside  core.Conn
	calls   atomic.Int64 // for mutants that count
	over    atomic.Bool  // for nasty
}

func (c *doubleConn) Send(d core.Delivery, msg []byte) error    { return c.send(d, msg) }
func (c *doubleConn) Recv(ctx context.Context) ([]byte, error)  { return c.recv(ctx) }
func (c *doubleConn) MaxSize(d core.Delivery) int               { return c.maxSize(d) }
func (c *doubleConn) Close(code core.Code, reason string) error { return c.close(code, reason) }
func (c *doubleConn) RemoteAddr() net.Addr                      { return c.remote() }
func (c *doubleConn) Stats() core.Stats                         { return c.stats() }

type doubleDropper struct{ *doubleConn }

func (c doubleDropper) Drop(code core.Code, reason string) { c.drop(code, reason) }

type doubleFlusher struct{ *doubleConn }

func (c doubleFlusher) Flush() error { return c.flush() }

type doubleWrapper struct{ *doubleConn }

func (c doubleWrapper) Unwrap() core.Conn { return c.inside }
