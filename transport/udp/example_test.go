package udp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/token"
	"github.com/parley-net/parley/transport/udp"
)

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	t := udp.New(udp.Config{})
	l, err := t.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	addr := identity.Join(l.Addr().String(), l.(core.Pinner).Pin()) // what players type

	player, err := t.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	seat, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	player.Send(core.Reliable, []byte("I pick the rocket"))
	msg, err := seat.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)

	seat.Send(core.Reliable, []byte("boom"))
	go seat.Close(core.CodeNormal, "good game")
	msg, err = player.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)
	_, err = player.Recv(ctx)
	fmt.Println(err)
	player.Close(core.CodeNormal, "")
	// Output:
	// I pick the rocket <nil>
	// boom <nil>
	// parley: connection closed by the peer: good game
}

// A server that lets in only who has logged in elsewhere.
func ExampleConfig_tokens() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	key, err := token.GenerateKey() // shared by login service and server: token.LoadKeys("token.keys")
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := token.NewVerifier(token.Config{Keys: []token.Key{key}, Server: "eu-1"})
	if err != nil {
		log.Fatal(err)
	}
	server := udp.New(udp.Config{Tokens: verifier})
	l, err := server.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	login := func(context.Context) (token.Token, error) { // over HTTPS, in a real game
		text, err := token.Issue([]token.Key{key}, token.Grant{User: "alice", Servers: []string{"eu-1"}})
		if err != nil {
			return token.Token{}, err
		}
		return token.Parse(text)
	}
	player, err := udp.New(udp.Config{Token: login}).Dial(ctx, l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer player.Close(core.CodeNormal, "")
	seat, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	who, _ := core.As[core.Identifier](seat)
	fmt.Println("welcome,", who.PeerIdentity())

	_, err = udp.New(udp.Config{}).Dial(ctx, l.Addr().String())
	fmt.Println(errors.Is(err, core.ErrRefused))
	// Output:
	// welcome, alice
	// true
}
