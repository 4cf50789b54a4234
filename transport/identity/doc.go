// Package identity is the server's key, the pin that names it, and the rule by
// which a client trusts it: one notion for every adapter.
//
//	key, err := identity.Load("server.key") // made on the first start
//	if err != nil {
//		log.Fatal(err)
//	}
//	fmt.Println("players join with", identity.Join("play.example.org:7777", key.Pin()))
//
// # Keys and pins
//
// A [Key] grows from one secret seed of 32 bytes. From it come an Ed25519 key,
// which signs the certificate of adapters that speak TLS, and an X25519 key, for
// adapters whose handshake is Noise. The pin is a hash of both public keys, so that
// a server has one pin whatever adapter it listens on. It is 26 characters of a-z
// and 2-7: 128 bits in base32.
//
// A server prints its address with its pin, as in
//
//	play.example.org:7777#qisyqwhrqg3knz3x7vtfmggxzy
//
// and this whole string is what a player types. No authority is asked, nothing is
// bought or renewed, and the server may live on a bare IP address.
//
// # Trust
//
// [Verify] is the rule. An address with a pin reaches only the server that has that
// key. An address without one is enough where no stranger can be in between: on
// loopback and in simulated networks. Everywhere else the dial fails with
// core.ErrUntrusted and says what to add. There is no "trust on first use".
//
// Whoever holds the key file is the server, and a lost key file means a new pin
// for everybody. Keep a copy, and keep it secret.
//
// # For adapters
//
// An adapter over TLS takes [ServerConfig] and [ClientConfig], which check the pin
// during the handshake. One over Noise takes Key.X25519, shows the client
// Key.Public, and calls [Verify] with it. In both the client cuts the address with
// [Split] first.
package identity
