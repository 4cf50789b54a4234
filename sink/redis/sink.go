package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"github.com/parley-net/parley/core"
)

// Sink keeps matches in Redis and reads them. New and Open make one. It is safe for
// concurrent use. Close it, as it holds connections.
type Sink struct {
	c       Config
	db      goredis.UniversalClient
	server  string // for people
	life    string // of a match, in milliseconds
	stop    func() // ends dials under way
	buffers sync.Pool

	mu     sync.Mutex
	closed bool
	busy   int           // writes and reads under way
	idle   chan struct{} // closed when closed, and all is given back
	err    error         // of closing the client; may be read when idle is closed

	commands sync.WaitGroup // under way, also those that nobody waits for any more
}

var (
	_ core.SnapshotSink   = (*Sink)(nil)
	_ core.SnapshotReader = (*Sink)(nil)
)

// New returns a Sink that works as c says. It makes no connection yet, so that a server
// can start while Redis is down: the first write or read does.
func New(c Config) (*Sink, error) {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sink{idle: make(chan struct{}), stop: stop}
	var err error
	switch {
	case c.Client == nil:
		s.db, s.server, err = c.connect(ctx)
	case c.URL != "":
		err = errors.New("redis: Config has both a URL and a Client: set one of them")
	default:
		s.db = c.Client
		s.server, err = accept(c.Client)
	}
	if err == nil {
		err = c.check()
	}
	if err != nil {
		stop()
		if s.db != nil && c.Client == nil {
			err = errors.Join(err, s.db.Close())
		}
		return nil, err
	}
	s.c, s.life = c, strconv.FormatInt(c.Expire.Milliseconds(), 10)
	return s, nil
}

// Open returns a Sink on the Redis that a URL names, once that has answered:
//
//	redis://user:password@host:6379/0      TCP, and the number of a database
//	rediss://host:6379                     TLS, with a certificate that the system trusts
//	unix:///run/redis.sock?db=0            a socket of this machine
//	redis://host:6379?addr=host2:6379      a cluster, by two or more of its nodes
//
// Parameters are those of Config, prefix=…, expire=24h, keep_snapshots=100 and
// keep_events=10000, and those of go-redis, such as pool_size=20. Whatever they say,
// contexts are heeded, nothing waits for ever, and no command is sent again by itself. The
// error is that of New or of a first read.
func Open(ctx context.Context, url string) (*Sink, error) {
	s, err := New(Config{URL: url})
	if err != nil {
		return nil, err
	}
	p := s.db.Pipeline()
	p.Ping(ctx)
	if err := s.read(ctx, "open a store", p); err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// begin notes a write or read under way; end must follow if it returns nil.
func (s *Sink) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return core.Errorf(core.ErrClosed, "redis: the sink is closed")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redis: nothing was asked of %s: %w", s.server, err)
	}
	s.busy++
	return nil
}

func (s *Sink) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.closed && s.busy == 0 {
		go s.release()
	}
}

// exec sends the commands of a pipeline, and returns when they are answered or ctx ends.
// It is for what has begun. After an error, who gave arguments must not change them.
func (s *Sink) exec(ctx context.Context, doing string, p goredis.Pipeliner) error {
	// go-redis heeds the deadline of a context, but not that it is cancelled: the
	// command then ends by itself, within its time.
	done := make(chan error, 1)
	s.commands.Go(func() {
		_, err := p.Exec(ctx)
		done <- err
	})
	select {
	case err := <-done:
		return s.explain(ctx, doing, err)
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return s.explain(ctx, doing, err)
	default:
		return s.explain(ctx, doing, ctx.Err())
	}
}

// read sends the commands of a pipeline that stands for itself.
func (s *Sink) read(ctx context.Context, doing string, p goredis.Pipeliner) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	return s.exec(ctx, doing, p)
}

// Close makes later writes and reads fail with core.ErrClosed, waits for those under
// way, and closes the connections, unless the client is the caller's. It returns nil, or
// the cause of ctx if that ends first: the writes then still end by themselves, and Close
// may be called again to wait for them.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		if s.busy == 0 {
			go s.release()
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return s.err
	default:
	}
	select {
	case <-s.idle:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("redis: closed, and writes are still under way: %w", ctx.Err())
	}
}

// release gives back what the sink holds, once nothing is under way. A command that was
// given up ends with its connection, or within its time if that is the caller's.
func (s *Sink) release() {
	if s.c.Client == nil {
		s.stop()
		if err := s.db.Close(); err != nil {
			s.err = fmt.Errorf("redis: close the connections to %s: %w", s.server, err)
		}
	}
	s.commands.Wait()
	close(s.idle)
}
