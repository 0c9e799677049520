// SPDX-License-Identifier: Apache-2.0
// TlsDay.java PORT CA: Java's own TLS against a server of NATS: 20 MB go there and come back over one
// connection of TLS 1.3, with new keys each megabyte, and both ends close it.
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.util.*;
import javax.net.ssl.*;

public class TlsDay {
    static final int MESSAGE = 50000, MESSAGES = 400, WAIT_MS = 60000;

    static SSLSocketFactory believing(String ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream in = Files.newInputStream(Path.of(ca))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
                .generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(null, trust.getTrustManagers(), null);
        return context.getSocketFactory();
    }

    static String line(InputStream in) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int c; (c = in.read()) != '\n'; out.write(c))
            if (c < 0) throw new EOFException("the server has closed");
        return out.toString(StandardCharsets.US_ASCII).trim();
    }

    static byte[] message(int number) {
        byte[] bytes = new byte[MESSAGE];
        new Random(number).nextBytes(bytes);
        return bytes;
    }

    // One message there and back: with more on its way Java asks for new keys at each record, so
    // often and without data between them that servers, the real one too, close.
    static void carry(OutputStream out, InputStream in, int number) throws IOException {
        byte[] bytes = message(number);
        out.write(("PUB day " + MESSAGE + "\r\n").getBytes());
        out.write(bytes);
        out.write("\r\n".getBytes());
        out.flush();
        String said;
        do said = line(in);
        while (said.equals("PING") || said.startsWith("INFO "));
        if (!said.equals("MSG day 1 " + MESSAGE)) throw new IOException(said);
        if (!Arrays.equals(in.readNBytes(MESSAGE), bytes))
            throw new IOException("message " + number + " is another");
        in.readNBytes(2);
    }

    public static void main(String[] args) throws Exception {
        Security.setProperty("jdk.tls.keyLimits", "AES/GCM/NoPadding KeyUpdate 2^20");
        int port = Integer.parseInt(args[0]);
        Socket plain = new Socket("127.0.0.1", port);
        plain.setSoTimeout(WAIT_MS);
        line(plain.getInputStream());
        SSLSocket tls = (SSLSocket) believing(args[1]).createSocket(plain, "localhost", port, true);
        tls.startHandshake();
        String cipher = tls.getSession().getProtocol() + " " + tls.getSession().getCipherSuite();
        OutputStream out = new BufferedOutputStream(tls.getOutputStream(), 1 << 16);
        InputStream in = new BufferedInputStream(tls.getInputStream(), 1 << 16);
        out.write("CONNECT {\"verbose\":false}\r\nSUB day 1\r\n".getBytes());
        for (int i = 0; i < MESSAGES; i++) carry(out, in, i);
        tls.shutdownOutput();
        while (in.read() >= 0) { } // an end that TLS does not know of is an exception
        tls.close();
        System.out.println(cipher + ": " + MESSAGE * (long) MESSAGES + " bytes each way");
    }
}
