package tcp

import (
	"context"
	"testing"

	"github.com/parley-net/parley/core"
)

func TestSmoke(t *testing.T) {
	ctx := t.Context()
	tr := New(Config{})
	l, err := tr.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := tr.Dial(ctx, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := c.Send(core.Reliable, make([]byte, i)); err != nil {
			t.Fatal(err)
		}
		m, err := s.Recv(ctx)
		if err != nil || len(m) != i {
			t.Fatal(len(m), err)
		}
	}
	c.Send(core.Reliable, []byte("bye"))
	if err := c.Close(core.CodeKicked, "x"); err != nil {
		t.Fatal(err)
	}
	m, err := s.Recv(ctx)
	t.Log(string(m), err)
	_, err = s.Recv(context.Background())
	t.Log(err)
	_, err = c.Recv(context.Background())
	t.Log(err)
	s.Close(0, "")
	l.Close()
	_, err = tr.Dial(ctx, l.Addr().String())
	t.Log(err)
}
