package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/token"
	"github.com/parley-net/parley/transport/udp"
)

// This file is the game, as small as it gets: the server welcomes whoever comes in, by
// the name that the token gives, and players leave again.

// Server is a running game server.
type Server struct {
	Addr string // with the pin

	listener core.Listener
	players  sync.WaitGroup
}

// Serve starts the server of that name, which lets in whoever has a token of these keys.
func Serve(ctx context.Context, name string, keys []token.Key, out io.Writer) (*Server, error) {
	tokens, err := token.NewVerifier(token.Config{
		Keys: keys, Server: name,
		Skew: -1, // login service and server have one clock here; else leave it zero
	})
	if err != nil {
		return nil, err
	}
	ln, err := udp.New(udp.Config{Tokens: tokens}).Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{listener: ln, Addr: ln.Addr().String()}
	if p, ok := core.As[core.Pinner](ln); ok {
		s.Addr = identity.Join(s.Addr, p.Pin())
	}
	s.players.Go(func() {
		for {
			conn, err := ln.Accept(ctx)
			if err != nil {
				return // closed
			}
			s.players.Go(func() { welcome(ctx, conn, name, out) })
		}
	})
	return s, nil
}

// Close shuts the server down and waits until its players have left.
func (s *Server) Close() {
	s.listener.Close()
	s.players.Wait()
}

// welcome is what the game has to offer.
func welcome(ctx context.Context, conn core.Conn, server string, out io.Writer) {
	defer conn.Close(core.CodeNormal, "")
	who := "somebody"
	if id, ok := core.As[core.Identifier](conn); ok {
		who = id.PeerIdentity() // the user of the token
	}
	fmt.Fprintf(out, "    %s lets %s in\n", server, who)
	if err := conn.Send(core.Reliable, []byte("welcome to "+server+", "+who)); err != nil {
		return
	}
	for {
		if _, err := conn.Recv(ctx); err != nil {
			return // the player has left
		}
	}
}

// Play logs in, enters the game, and leaves it again. The token says where the game is,
// and how to know it: players need not type a pin.
func Play(ctx context.Context, login func(context.Context) (token.Token, error)) (greeting string, err error) {
	tok, err := login(ctx)
	if err != nil {
		return "", err
	}
	network := udp.New(udp.Config{
		Token:            func(context.Context) (token.Token, error) { return tok, nil },
		HandshakeTimeout: 2 * time.Second,
	})
	conn, err := network.Dial(ctx, tok.Addr)
	if err != nil {
		return "", err
	}
	defer conn.Close(core.CodeNormal, "")
	msg, err := conn.Recv(ctx)
	return string(msg), err
}
