// Package client joins a match: it keeps a copy of the match's world that follows
// the server's, and sends what its player does.
//
//	func main() {
//		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
//		c, err := client.Dial(ctx, "localhost:7777", client.Config{
//			Transport: tcp.New(tcp.Config{}), Codec: codec.Msgp{}, Schema: Schema, Info: Card{Name: "Ann"},
//		})
//		cancel()
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer c.Close()
//		rpc.On(c, "winner", func(_ rpc.Caller, p state.PlayerID) { fmt.Println(p, "wins") })
//		c.SetReady(true)
//		for range c.Frames(60) {
//			for d := range state.Owned[*Digger](c.World(), c.ID()) {
//				Dig.Call(d, 1)
//			}
//		}
//		fmt.Println(c.Err()) // why it is over
//	}
//
// Package parley has this with fewer choices to make.
//
// # The loop
//
// A Client belongs to one goroutine, the one that calls Update, or ranges over Frames,
// which is a loop over Update. Handlers of calls and events, hooks of variables, of
// spawns and of the lobby: all run inside Update. Only Close and Err may be called
// from elsewhere.
//
//	 one goroutine           the game's goroutine
//	┌────────────────┐   ┌──────────────────────────────────────────────┐
//	│ receive, queue ├──▶│ Update  state as it came, each packet whole, │
//	└────────────────┘   │         then the hooks of what changed;      │
//	                     │         calls and events, in their order;    │
//	                     │         30 times a second, steering out      │
//	                     │ frame   the body: look, draw, call, steer    │
//	                     └──────────────────────────────────────────────┘
//
// Update never blocks, so a loop that belongs to somebody else, such as a graphics
// library's, calls it once a frame. Frames also handles what comes between frames, as
// it comes, so that calls are answered in the time of the network.
//
// The world is a copy: reading it is free, and what only the server may do panics with
// a *state.AuthorityError. A client asks instead: by a call, an event, or by steering
// its own objects (state.Position2D.SetVelocity). Objects appear whole and in no
// promised order; a Reliable call that is faster than its object waits for it.
//
// # The end
//
// Update returns nil until the session is over, and then the same error for ever, as
// does Err: a core.ErrClosed in which errors.As finds the *core.CloseError with the
// code, the reason and who ended it. The match that is over is core.CodeNormal by the
// peer, a kick core.CodeKicked, and a server of which nothing was heard for
// Config.Timeout core.CodeTimeout. The world stays as it was last. Close leaves the
// match on purpose: the seat is free at once, and what was sent before arrives.
//
// # Errors of Dial
//
// Dial returns a Client with a seat, or an error that says what to do: core.ErrRefused
// where nobody listens or the server said no, then as a *lobby.RefusedError with its
// code and reason; core.ErrTimeout; core.ErrUntrusted where the server's key is not the
// one of the address. Client and server with different Schemas are told in which lines.
//
// # Testing
//
// Package server has a template of a test with server and players, see its section
// "Testing a game".
package client
