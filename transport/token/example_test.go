package token_test

import (
	"fmt"
	"log"
	"time"

	"github.com/parley-net/parley/transport/token"
)

// What a login service, a client and a game server each do with a token.
func Example() {
	key, err := token.GenerateKey() // token.LoadKeys, where there are files
	if err != nil {
		log.Fatal(err)
	}
	keys := []token.Key{key}

	// The game server starts.
	tokens, err := token.NewVerifier(token.Config{Keys: keys, Server: "eu-1"})
	if err != nil {
		log.Fatal(err)
	}

	// The login service knows alice.
	text, err := token.Issue(keys, token.Grant{
		User:    "alice",
		Servers: []string{"eu-1"},
		Addr:    "play.example.org:7777#qisyqwhrqg3knz3x7vtfmggxzy",
	})
	if err != nil {
		log.Fatal(err)
	}

	// Her client has the text, and dials.
	tok, err := token.Parse(text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tok)

	// The server's adapter opens what the client shows, and consumes it once the client
	// has proven to have the PSK.
	pass, err := tokens.Open(tok.Sealed, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pass.User, pass.PSK == tok.PSK, tokens.Consume(pass, time.Now()))
	_, err = tokens.Open(tok.Sealed, time.Now())
	fmt.Println(err)
	// Output:
	// token for play.example.org:7777#qisyqwhrqg3knz3x7vtfmggxzy
	// alice true <nil>
	// token: the token was used already, and serves once: get a new one from the login service
}
