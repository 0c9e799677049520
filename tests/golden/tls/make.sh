#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make.sh: make the certificates of the tests anew, in this directory, by openssl 3. All are good
# until 2076, but for those whose flaw is a date.
#
#     ca          believed by the tests          stranger    signed by a CA that is not
#     server      localhost, server.example, 127.0.0.1, ::1     rsa    the same, of 2048 bits RSA
#     client      a client, alice@example.com    elsewhere   of elsewhere.example
#     expired, future                            weak        RSA of 1024 bits
#     small       a curve of 192 bits            sha1        signed by SHA-1
#     odd         signed by a CA whose alternative names make no sense, which is not believed
#     chain       with one CA in between         long        with ten
#     locked.key  server.key behind the password "sesame"
#     maps        believed where certificates say who somebody is, and signed by it:
#     named       with e-mail addresses, DNS names and URIs, of CN=named
#     subject     with none, of a subject that has nearly all that one can
# shellcheck disable=SC2086  # lists are words, split at blanks
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
from=20260101000000Z to=20760101000000Z

cat >"$work/ca.conf" <<CONF
[ca]
default_ca = one
[one]
new_certs_dir = $work
database = $work/index
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:false
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, DNS:server.example, IP:127.0.0.1, IP:::1
[elsewhere]
basicConstraints = CA:false
extendedKeyUsage = serverAuth
subjectAltName = DNS:elsewhere.example, IP:192.0.2.1
[odd]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
2.5.29.17 = DER:04:03:61:62:63
[client]
basicConstraints = CA:false
extendedKeyUsage = clientAuth
subjectAltName = email:alice@example.com, DNS:alice.example
[named]
basicConstraints = CA:false
extendedKeyUsage = clientAuth
subjectAltName = URI:spiffe://example/named, DNS:named.example, email:first@example.com, DNS:other.example, email:second@example.com, URI:https://example/n
[bare]
basicConstraints = CA:false
extendedKeyUsage = clientAuth
[all]
domainComponent = optional
countryName = optional
localityName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
CONF
: >"$work/index"

ec() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
# sign NAME SUBJECT SECTION ISSUER [FROM TO [DIGEST]]: NAME.pem for the key NAME.key
sign() {
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$work/csr" -config /dev/null 2>"$work/log" ||
        openssl req -new -key "$1.key" -subj "/CN=$2" -out "$work/csr"
    openssl ca -config "$work/ca.conf" -batch -notext -extensions "$3" -in "$work/csr" \
        -cert "$4.pem" -keyfile "$4.key" -startdate "${5:-$from}" -enddate "${6:-$to}" \
        -md "${7:-sha256}" -out "$1.pem" 2>"$work/log" || { cat "$work/log"; exit 1; }
}
# authority NAME SUBJECT [SECTION]: one that signs itself, and whose key is not kept
authority() {
    ec "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$work/csr" 2>"$work/log"
    openssl ca -config "$work/ca.conf" -batch -notext -selfsign -extensions "${3:-authority}" \
        -in "$work/csr" -keyfile "$1.key" -startdate "$from" -enddate "$to" -out "$1.pem" \
        2>"$work/log" || { cat "$work/log"; exit 1; }
}

authority ca "test CA"
authority "$work/other" "other CA"
authority "$work/strange" "odd CA" odd
for name in server client elsewhere expired future stranger chain long sha1 odd; do ec $name.key; done
openssl genrsa -out rsa.key 2048 2>"$work/log"
openssl genrsa -out weak.key 1024 2>"$work/log"
openssl ecparam -name prime192v1 -genkey -noout -out small.key
sign server server.example server ca
sign rsa server.example server ca
sign weak server.example server ca
sign client "alice" client ca
sign elsewhere elsewhere.example elsewhere ca
sign expired server.example server ca 20200101000000Z 20210101000000Z
sign future server.example server ca 20700101000000Z
sign stranger server.example server "$work/other"
sign small server.example server "$work/other"
sign sha1 server.example server "$work/other" "$from" "$to" sha1
sign odd server.example server "$work/strange"
cat "$work/strange.pem" >>odd.pem
# through NAME COUNT: NAME.pem with so many authorities between it and ca
through() {
    issuer=ca chain=""
    for i in $(seq "$2"); do
        ec "$work/$1$i.key"
        cp "$work/$1$i.key" "$work/between.key"
        sign "$work/$1$i" "between $i" authority "$issuer"
        issuer=$work/$1$i
        chain="$issuer.pem $chain"
    done
    sign "$1" server.example server "$issuer"
    cat $chain >>"$1.pem"
}
through chain 1
through long 10
authority maps "maps CA"
# mapped NAME SUBJECT SECTION: signed by maps, the subject being in the form of openssl's -subj
mapped() {
    ec "$1.key"
    openssl req -new -multivalue-rdn -key "$1.key" -subj "$2" -out "$work/csr" 2>"$work/log"
    openssl ca -config "$work/ca.conf" -policy all -preserveDN -batch -notext -extensions "$3" \
        -in "$work/csr" -cert maps.pem -keyfile maps.key -startdate "$from" -enddate "$to" \
        -out "$1.pem" 2>"$work/log" || { cat "$work/log"; exit 1; }
}
mapped named "/CN=named" named
mapped subject "/DC=com/DC=example/C=DE/L=Berlin/O=Acme/OU=dev+OU=ops/OU=all/CN=Bob, Jr" bare
rm maps.key
openssl ec -in server.key -aes256 -passout pass:sesame -out locked.key 2>"$work/log"
rm ca.key
