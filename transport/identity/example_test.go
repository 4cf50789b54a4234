package identity_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/parley-net/parley/transport/identity"
)

// A server keeps its key in a file, so that its pin outlives restarts.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "parley")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "server.key")

	key, err := identity.Load(path) // makes the file
	if err != nil {
		log.Fatal(err)
	}
	again, err := identity.Load(path) // reads it
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Pin() == again.Pin(), len(key.Pin()))
	// Output: true 26
}

// What a player types is cut into what to dial and what to expect there.
func ExampleSplit() {
	hostport, pin, err := identity.Split("play.example.org:7777#GZ6Q3MAJDQQSY2UWE4SBPMNGUI")
	fmt.Println(hostport, pin, err)
	_, _, err = identity.Split("play.example.org:7777#GZ6Q3MAJ")
	fmt.Println(err)
	// Output:
	// play.example.org:7777 gz6q3majdqqsy2uwe4sbpmngui <nil>
	// the pin behind the # of the address has 8 characters, expected 26: copy the whole address that the server prints
}
