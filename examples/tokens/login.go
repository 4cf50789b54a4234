package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/parley-net/parley/transport/token"
)

// This file is the login service, and how a client asks it. In earnest it stands behind
// HTTPS, as whoever reads its answer can play in the user's place.

// Login is an HTTP handler for POST /login with {"user": …, "password": …}, which answers
// with a token for the game server.
type Login struct {
	Keys  []token.Key
	Where func() (server, addr string) // where to play: in earnest, a matchmaker

	accounts map[string]account // not changed once the service runs
	decoy    account            // whose password nobody has
	hash     func(password string, salt []byte) []byte
	hashing  chan struct{} // has room for as many hashes as are computed at once
	byAddr   *limiter
	byUser   *limiter
}

// account keeps no password, but what proves that somebody has it.
type account struct{ salt, hash []byte }

// How many try how often. A right password counts as a wrong one does, so that the limit
// tells nothing.
const (
	triesByAddr = 30 // in a row; then one in addrPause
	addrPause   = time.Second
	triesByUser = 5
	userPause   = 10 * time.Second
	maxNames    = 10_000 // that a limiter remembers; a name is forgotten when its bucket is full
	maxHashing  = 2      // of 19 MiB each
	maxRequest  = 1 << 10
)

// NewLogin returns a service for the users with these passwords.
func NewLogin(keys []token.Key, where func() (server, addr string), passwords map[string]string) *Login {
	l := &Login{
		Keys: keys, Where: where,
		accounts: make(map[string]account), hash: slowHash, hashing: make(chan struct{}, maxHashing),
		byAddr: newLimiter(triesByAddr, addrPause), byUser: newLimiter(triesByUser, userPause),
	}
	for user, password := range passwords {
		l.accounts[user] = l.newAccount(password)
	}
	l.decoy = l.newAccount(rand.Text())
	return l
}

func (l *Login) newAccount(password string) account {
	salt := make([]byte, 16)
	rand.Read(salt)
	return account{salt, l.hash(password, salt)}
}

// slowHash is Argon2id with the parameters that OWASP recommends: a stolen list of users
// gives away few passwords.
func slowHash(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, 2, 19<<10, 1, 32)
}

func (l *Login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	var ask struct{ User, Password string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&ask); err != nil {
		http.Error(w, `send {"user": …, "password": …}`, http.StatusBadRequest)
		return
	}
	// Behind a proxy this would be the proxy's address: take the one that it reports.
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if now := time.Now(); err != nil || !l.byAddr.take(host, now) || !l.byUser.take(ask.User, now) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many tries: wait a little", http.StatusTooManyRequests)
		return
	}
	ok, err := l.check(r.Context(), ask.User, ask.Password)
	if err != nil {
		return // nobody waits for an answer
	}
	if !ok {
		http.Error(w, "wrong user or password", http.StatusUnauthorized)
		return
	}
	server, addr := l.Where()
	text, err := token.Issue(l.Keys, token.Grant{User: ask.User, Servers: []string{server}, Addr: addr})
	if err != nil {
		http.Error(w, "no token can be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, text)
}

// check says whether the password is the user's. It takes as long for a user who does not
// exist, so that nobody learns who does.
func (l *Login) check(ctx context.Context, user, password string) (bool, error) {
	select {
	case l.hashing <- struct{}{}:
		defer func() { <-l.hashing }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	a, known := l.accounts[user]
	if !known {
		a = l.decoy
	}
	same := subtle.ConstantTimeCompare(l.hash(password, a.salt), a.hash) == 1
	return same && known, nil
}

// limiter is a token bucket for each name that tried of late.
type limiter struct {
	burst, pause time.Duration
	mu           sync.Mutex
	full         map[string]time.Time // when a name's bucket is full again
}

func newLimiter(tries int, pause time.Duration) *limiter {
	return &limiter{burst: time.Duration(tries) * pause, pause: pause, full: make(map[string]time.Time)}
}

// take reports whether somebody of that name may try now.
func (l *limiter) take(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.full) >= maxNames {
		maps.DeleteFunc(l.full, func(_ string, full time.Time) bool { return !full.After(now) })
	}
	full, known := l.full[name]
	if !known && len(l.full) >= maxNames {
		return false
	}
	if full.Before(now) {
		full = now
	}
	if full = full.Add(l.pause); full.Sub(now) > l.burst {
		return false
	}
	l.full[name] = full
	return true
}

// A Player is somebody at a client, with a password.
type Player struct{ Login, User, Password string }

// Token logs in.
func (p Player) Token(ctx context.Context) (token.Token, error) {
	body, err := json.Marshal(map[string]string{"user": p.User, "password": p.Password})
	if err != nil {
		return token.Token{}, err
	}
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Login, bytes.NewReader(body))
	if err != nil {
		return token.Token{}, err
	}
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		return token.Token{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return token.Token{}, err
	}
	if answer.StatusCode != http.StatusOK {
		return token.Token{}, fmt.Errorf("log in as %s: %s", p.User, cmp.Or(strings.TrimSpace(string(text)), answer.Status))
	}
	return token.Parse(string(text))
}
