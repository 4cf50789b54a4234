// Tokens is a login service over HTTP, and a game server that lets in only who has
// logged in there: with connect tokens, which the one makes and the other checks, though
// the two never talk to each other.
//
//	go run ./examples/tokens        two players get in, and others do not
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/transport/token"
)

const server = "eu-1"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tokens:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "parley-tokens-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	keyFile := filepath.Join(dir, "token.keys") // elsewhere both sides have a copy each
	keys, err := token.LoadKeys(keyFile)
	if err != nil {
		return err
	}
	var game atomic.Pointer[Server]
	start := func() error {
		s, err := Serve(ctx, server, keys, out)
		if err == nil {
			game.Store(s)
		}
		return err
	}
	if err := start(); err != nil {
		return err
	}
	defer func() { game.Load().Close() }()
	where := func() (string, string) { return server, game.Load().Addr }
	url, stop, err := serveLogin(NewLogin(keys, where, map[string]string{
		"alice": "correct horse", "bob": "battery staple",
	}))
	if err != nil {
		return err
	}
	defer stop()
	fmt.Fprintf(out, "The login service is at %s, the game at %s\n", url, game.Load().Addr)

	try := func(what string, login func(context.Context) (token.Token, error)) {
		fmt.Fprintf(out, "\n%s\n", what)
		if greeting, err := Play(ctx, login); err != nil {
			fmt.Fprintf(out, "  no: %v\n", err)
		} else {
			fmt.Fprintf(out, "  yes: %q\n", greeting)
		}
	}
	alice, bob := Player{url, "alice", "correct horse"}, Player{url, "bob", "battery staple"}
	try("Alice logs in and plays.", alice.Token)
	try("So does Bob.", bob.Token)
	try("Alice comes again, with another token.", alice.Token)

	try("Mallory has no token.", have(token.Token{Addr: game.Load().Addr}))
	for _, guess := range []string{"password", "letmein", "alice123", "12345"} {
		try("Mallory tries a password of Alice's.", Player{url, "alice", guess}.Token)
	}
	try("Mallory asks whether there is a Carol.", Player{url, "carol", "password"}.Token)

	// A token's sealed part is for the server, and may be seen; its secret never leaves.
	tok, err := bob.Token(ctx)
	if err != nil {
		return err
	}
	try("Mallory has the sealed part of a token of Bob's.", have(token.Token{Addr: tok.Addr, Sealed: tok.Sealed}))
	try("Bob has all of it, and nobody could spend it.", have(tok))
	try("Mallory has stolen the whole of it, too late.", have(tok))

	// Two tokens that this login service would not make.
	late, err := issue(keys, token.Grant{User: "bob", Servers: []string{server}, Addr: tok.Addr, TTL: time.Millisecond})
	if err != nil {
		return err
	}
	other, err := issue(keys, token.Grant{User: "bob", Servers: []string{"us-1"}, Addr: tok.Addr})
	if err != nil {
		return err
	}
	old, err := bob.Token(ctx)
	if err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	try("Bob took a while: his token is over.", have(late))
	try("Bob has a token for another server.", have(other))

	game.Load().Close()
	if err := start(); err != nil {
		return err
	}
	old.Addr = game.Load().Addr // where it is now
	try("Bob has a token from before the server was restarted.", have(old))
	try("Bob logs in once more.", bob.Token)
	return nil
}

// have is the login of somebody who has a token already, however that came to be.
func have(tok token.Token) func(context.Context) (token.Token, error) {
	return func(context.Context) (token.Token, error) { return tok, nil }
}

func issue(keys []token.Key, g token.Grant) (token.Token, error) {
	text, err := token.Issue(keys, g)
	if err != nil {
		return token.Token{}, err
	}
	return token.Parse(text)
}

// serveLogin answers at a free port of this machine, until stop is called.
func serveLogin(l *Login) (url string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /login", l)
	srv := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln) // until stop is called, which is its only error
	}()
	return "http://" + ln.Addr().String() + "/login", func() {
		srv.Close()
		<-done
	}, nil
}
