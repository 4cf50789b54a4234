// Package token is how a login service lets players into game servers: it hands out
// connect tokens, and the servers check them without asking the login service.
//
//	  login service ── 1. here is a token ──▶ player         (HTTPS)
//	        │                                    │
//	same keys, in a file                2. the token's sealed part,
//	        │                              and proof of its PSK
//	        ▼                                    ▼
//	   game server ◀─────────────────────────────┘           (any network)
//
// The login service knows who may play:
//
//	keys, err := token.LoadKeys("token.keys") // made on the first start
//	...
//	text, err := token.Issue(keys, token.Grant{
//		User:    "alice",
//		Servers: []string{"eu-1"},
//		Addr:    "play.example.org:7777#qisyqwhrqg3knz3x7vtfmggxzy",
//	})
//
// The game server has the same keys and lets nobody else in:
//
//	keys, err := token.LoadKeys("token.keys") // copied from the login service
//	...
//	tokens, err := token.NewVerifier(token.Config{Keys: keys, Server: "eu-1"})
//	...
//	network := udp.New(udp.Config{Tokens: tokens})
//
// And the client, which asks for a new token at each dial, since one token serves one
// connection:
//
//	network := udp.New(udp.Config{Token: func(ctx context.Context) (token.Token, error) {
//		text, err := login(ctx) // your own request to your own login service
//		if err != nil {
//			return token.Token{}, err
//		}
//		return token.Parse(text)
//	}})
//
// Where the login service also says which server to play on, the client logs in first and
// dials the Token's Addr, so that players need not type a pin: examples/tokens does, with
// a login service over HTTP.
//
// # What a token promises
//
// A token is made for one user and for named servers. It lets its holder into each of them
// once, in the time until it expires: 45 seconds, or what the login service says, up to 5
// minutes. Nobody without a key can make one, change one, or read what is inside. Who
// sees a token on its way to the game server can do nothing with it, for the player must
// prove to have its PSK, which never leaves in the open; and since a token is consumed
// only with that proof, nobody else can spend it.
//
// A token is not a session: once its player is in, nothing expires. Nor is it what a
// password is: whoever gets the text that [Issue] returned before it is used plays in its
// user's place.
//
// # Several servers, restarts, clocks
//
// A server remembers the tokens that it let in until they expire, and when it remembers
// [MaxConsumed] it lets in nobody, rather than forget one. That memory ends with the
// process, so tokens that were issued before a process made its [Verifier] are refused:
// a player whose server has just started logs in once more. Two processes must not share
// one name, as each of them would let a token in.
//
// The clocks of login service and game server may differ by [Config].Skew, 5 seconds. For
// that long a token is good after it expired, and before the server started: with a skew of
// zero, which one machine may have, both are exact. A server's clock that is set back makes
// no consumed token good again.
//
// # Rotation
//
// Replace keys from time to time, and at once when somebody may have read one. Two live
// for the minutes that it takes, so that nobody is kept out:
//
//  1. Make a key ([LoadKeys] with the name of a new file makes one). Add it as a further
//     line, anywhere, to the file of each game server, and let them read it again: by
//     [Verifier.SetKeys], or by a restart.
//  2. Add it as the first line to the file of the login service, and let it read it again.
//     It seals with the first.
//  3. After 5 minutes no token of the old key is alive: remove that line everywhere.
//
// A key that was stolen goes in the reverse order: the servers drop it first, and those who
// log in meanwhile do so again.
//
// # Layout
//
// A sealed token has 512 bytes, whatever is in it. Numbers are little-endian, times are
// milliseconds since 1970 UTC, names are UTF-8.
//
//	at   size
//	0    1     version: 1
//	1    4     number of the key: the first bytes of
//	           SHA-256("parley token key 1" ‖ byte 0 ‖ key)
//	5    8     time at which it expires
//	13   24    nonce, random
//	37   459   content, encrypted
//	496  16    tag
//
// The last two are what XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with the key of
// 32 bytes makes of the content, with bytes 0 to 12 as additional data. The content:
//
//	size
//	16    the token's number, random
//	32    PSK, random
//	8     time at which it was issued: less than 5 minutes before it expires, or as much
//	1, u  length of the user's name, 1 to 128, and the name
//	1     how many servers follow, at least one
//	1, s  for each, length of its name, 1 to 64, and the name
//	2, d  length of the data, at most 256, and the data
//	      zeros, up to 459 bytes
//
// Anything else is refused. The text of a token is "parley-token-1-" and, in the base64 of
// RFC 4648 §5 without padding:
//
//	512   the sealed token
//	32    PSK
//	1, a  length of the server's address, at most 255, and the address: "host:port#pin", or
//	      nothing
//	4     CRC-32 (IEEE) of all before, against mistakes in copying
//
// The text of a key is "parley-token-key-1-" and the key in the base32 of RFC 4648 in lower
// case without padding. So a login service in another language needs XChaCha20-Poly1305
// (libsodium has it), SHA-256, CRC-32 and this page; testdata/vector.txt has all parts of
// one token.
package token
