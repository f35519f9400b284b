// quic-go as a program; what it does is described in ../program.ts.
package main

import (
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

	"github.com/lucas-clemente/quic-go"
)

var (
	port       = flag.Int("port", 0, "where the client connects to")
	alpn       = flag.String("alpn", "transfer", "application protocol")
	serverName = flag.String("server-name", "", "the name the certificate must carry")
	cert       = flag.String("cert", "", "who we are, PEM")
	key        = flag.String("key", "", "our private key, PEM")
	ca         = flag.String("ca", "", "whom we trust, PEM; a server without it asks clients for nothing")
	send       = flag.String("send", "", "the file to send")
)

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

func receive(stream io.Reader) error {
	started := time.Now()
	digest := sha256.New()
	bytes, err := io.Copy(digest, stream)
	if err != nil {
		return err
	}
	emit(map[string]interface{}{
		"event": "received", "bytes": bytes, "sha256": hex.EncodeToString(digest.Sum(nil)),
		"millis": float64(time.Since(started).Microseconds()) / 1000,
	})
	return nil
}

func serveConnection(connection quic.Connection, file []byte) error {
	stream, err := connection.AcceptStream(context.Background())
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := stream.Write(file)
		sent <- err
	}()
	if err := receive(stream); err != nil {
		return err
	}
	if err := <-sent; err != nil {
		return err
	}
	if err := stream.Close(); err != nil {
		return err
	}
	<-connection.Context().Done()
	return nil
}

func runServer(tlsConfig *tls.Config, config *quic.Config, file []byte) {
	listener, err := quic.ListenAddr("127.0.0.1:0", tlsConfig, config)
	must(err)
	emit(map[string]interface{}{"event": "listening", "port": listener.Addr().(*net.UDPAddr).Port})
	for {
		connection, err := listener.Accept(context.Background())
		must(err)
		go func() {
			if err := serveConnection(connection, file); err != nil {
				emit(map[string]interface{}{"event": "failed", "reason": err.Error()})
			}
		}()
	}
}

func runClient(tlsConfig *tls.Config, config *quic.Config, file []byte) {
	connection, err := quic.DialAddr(fmt.Sprintf("127.0.0.1:%d", *port), tlsConfig, config)
	must(err)
	stream, err := connection.OpenStreamSync(context.Background())
	must(err)
	go func() {
		_, err := stream.Write(file)
		must(err)
		must(stream.Close())
	}()
	must(receive(stream))
	must(connection.CloseWithError(0, ""))
}

func main() {
	role := os.Args[1]
	must(flag.CommandLine.Parse(os.Args[2:]))
	go func() {
		// the parent is gone, and with it the reason to run
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
	config := &quic.Config{HandshakeIdleTimeout: 5 * time.Second, MaxIdleTimeout: 10 * time.Second}
	if role == "server" {
		runServer(tlsConfig, config, file)
	} else {
		runClient(tlsConfig, config, file)
	}
}
