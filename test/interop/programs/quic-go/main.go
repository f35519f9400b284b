// quic-go as a program; see ../program.ts for the protocol.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"
	_ "unsafe" // for linkname

	"github.com/lucas-clemente/quic-go"
)

var (
	host       = flag.String("host", "127.0.0.1", "the server's address")
	port       = flag.Int("port", 0, "the server's port, for a client")
	alpn       = flag.String("alpn", "transfer", "application protocol")
	serverName = flag.String("server-name", "", "the name the certificate must carry")
	cert       = flag.String("cert", "", "our certificate, PEM")
	key        = flag.String("key", "", "our private key, PEM")
	ca         = flag.String("ca", "", "the trusted CA, PEM; a server without it requests no client certificate")
	send       = flag.String("send", "", "the file to send")

	streams       = flag.Int("streams", 1, "how many streams the client opens")
	cipherSuite   = flag.String("cipher-suite", "", "the only one to offer or accept")
	retry         = flag.Bool("retry", false, "the server sends a Retry")
	comeBack      = flag.String("come-back", "", "resumption or earlyData: the client connects twice")
	keyUpdate     = flag.String("key-update", "", "the role that initiates a key update")
	version       = flag.String("version", "", "unknown: the client starts with one that the server does not support")
	datagramCount = flag.Int("datagrams", 0, "how many datagrams the client sends and expects back")
)

// Not reachable through the API: keys are updated after this many packets.
//
//go:linkname keyUpdateInterval github.com/lucas-clemente/quic-go/internal/handshake.KeyUpdateInterval
var keyUpdateInterval uint64

func emit(event map[string]interface{}) {
	line, _ := json.Marshal(event)
	fmt.Println(string(line))
}

func fail(err error) {
	emit(map[string]interface{}{"event": "failed", "reason": err.Error()})
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func receive(stream io.Reader) (map[string]interface{}, error) {
	started := time.Now()
	digest := sha256.New()
	bytes, err := io.Copy(digest, stream)
	return map[string]interface{}{
		"event": "received", "bytes": bytes, "sha256": hex.EncodeToString(digest.Sum(nil)),
		"millis": float64(time.Since(started).Microseconds()) / 1000,
	}, err
}

// reportSeen reports the state of the connection once its handshake is complete.
func reportSeen(connection quic.Connection, datagrams int) {
	state := connection.ConnectionState().TLS
	seen := map[string]interface{}{
		"event":       "seen",
		"cipherSuite": tls.CipherSuiteName(state.CipherSuite),
		"resumed":     state.DidResume,
		"earlyData":   state.Used0RTT,
	}
	if *datagramCount > 0 {
		seen["datagrams"] = datagrams
	}
	emit(seen)
}

// all runs f that many times concurrently, then reports what was received, the last stream last.
func all(count int, f func() (map[string]interface{}, error), last func()) error {
	type result struct {
		event map[string]interface{}
		err   error
	}
	results := make(chan result, count)
	for i := 0; i < count; i++ {
		go func() {
			event, err := f()
			results <- result{event, err}
		}()
	}
	for i := 1; i <= count; i++ {
		result := <-results
		if result.err != nil {
			return result.err
		}
		if i == count {
			last()
		}
		emit(result.event)
	}
	return nil
}

func serveStream(stream quic.Stream, file []byte) (map[string]interface{}, error) {
	sent := make(chan error, 1)
	go func() {
		_, err := stream.Write(file)
		sent <- err
	}()
	event, err := receive(stream)
	if err != nil {
		return nil, err
	}
	if err := <-sent; err != nil {
		return nil, err
	}
	return event, stream.Close()
}

func serveConnection(connection quic.Connection, file []byte) error {
	for i := 0; i < *datagramCount; i++ {
		message, err := connection.ReceiveMessage()
		if err != nil {
			return err
		}
		if err := connection.SendMessage(message); err != nil {
			return err
		}
	}
	err := all(*streams, func() (map[string]interface{}, error) {
		stream, err := connection.AcceptStream(context.Background())
		if err != nil {
			return nil, err
		}
		return serveStream(stream, file)
	}, func() { reportSeen(connection, *datagramCount) })
	if err != nil {
		return err
	}
	<-connection.Context().Done()
	return nil
}

func runServer(tlsConfig *tls.Config, config *quic.Config, file []byte) {
	listener, err := quic.ListenAddrEarly(*host+":0", tlsConfig, config)
	must(err)
	emit(map[string]interface{}{"event": "listening", "port": listener.Addr().(*net.UDPAddr).Port})
	for {
		connection, err := listener.Accept(context.Background())
		must(err)
		go func() {
			if *comeBack != "earlyData" {
				<-connection.HandshakeComplete().Done()
			}
			if err := serveConnection(connection, file); err != nil {
				emit(map[string]interface{}{"event": "failed", "reason": err.Error()})
			}
		}()
	}
}

func callWithDatagrams(connection quic.Connection) {
	for i := 0; i < *datagramCount; i++ {
		must(connection.SendMessage(bytes.Repeat([]byte{byte(i)}, 1000)))
	}
	missing := make(map[byte]bool)
	for i := 0; i < *datagramCount; i++ {
		missing[byte(i)] = true
	}
	for len(missing) > 0 {
		message, err := connection.ReceiveMessage()
		must(err)
		if len(message) == 1000 {
			delete(missing, message[0])
		}
	}
}

func dial(early bool, tlsConfig *tls.Config, config *quic.Config) quic.Connection {
	address := fmt.Sprintf("%s:%d", *host, *port)
	if early {
		connection, err := quic.DialAddrEarly(address, tlsConfig, config)
		must(err)
		return connection
	}
	connection, err := quic.DialAddr(address, tlsConfig, config)
	must(err)
	return connection
}

func call(early bool, tlsConfig *tls.Config, config *quic.Config, file []byte) {
	connection := dial(early, tlsConfig, config)
	callWithDatagrams(connection)
	must(all(*streams, func() (map[string]interface{}, error) {
		stream, err := connection.OpenStreamSync(context.Background())
		if err != nil {
			return nil, err
		}
		go func() {
			_, err := stream.Write(file)
			must(err)
			must(stream.Close())
		}()
		return receive(stream)
	}, func() { reportSeen(connection, *datagramCount) }))
	must(connection.CloseWithError(0, ""))
}

func runClient(tlsConfig *tls.Config, config *quic.Config, file []byte) {
	call(false, tlsConfig, config, file)
	if *comeBack != "" {
		call(*comeBack == "earlyData", tlsConfig, config, file)
	}
}

func main() {
	role := os.Args[1]
	must(flag.CommandLine.Parse(os.Args[2:]))
	go func() {
		// stdin ends when the parent dies
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	var file []byte
	if *send != "" {
		var err error
		file, err = os.ReadFile(*send)
		must(err)
	}
	tlsConfig := &tls.Config{NextProtos: []string{*alpn}, ServerName: *serverName}
	if *cert != "" {
		certificate, err := tls.LoadX509KeyPair(*cert, *key)
		must(err)
		tlsConfig.Certificates = []tls.Certificate{certificate}
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		must(err)
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(pem)
		tlsConfig.RootCAs, tlsConfig.ClientCAs = trusted, trusted
		tlsConfig.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if path := os.Getenv("SSLKEYLOGFILE"); path != "" {
		log, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		must(err)
		tlsConfig.KeyLogWriter = log
	}
	if *cipherSuite == "TLS_CHACHA20_POLY1305_SHA256" {
		tlsConfig.CipherSuites = []uint16{tls.TLS_CHACHA20_POLY1305_SHA256}
	}
	if *comeBack != "" {
		tlsConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	if *keyUpdate == role {
		keyUpdateInterval = 100
	}
	config := &quic.Config{
		HandshakeIdleTimeout:     5 * time.Second,
		MaxIdleTimeout:           10 * time.Second,
		RequireAddressValidation: func(net.Addr) bool { return *retry },
		EnableDatagrams:          *datagramCount > 0,
	}
	if *version == "unknown" && role == "client" {
		// its version 2 has a draft's number, which no other implementation here supports
		config.Versions = []quic.VersionNumber{quic.Version2, quic.Version1}
	}
	if role == "server" {
		runServer(tlsConfig, config, file)
	} else {
		runClient(tlsConfig, config, file)
	}
}
