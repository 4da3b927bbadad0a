#!/bin/bash
# Makes a throw-away grid PKI for the tests: a CA directory, host and user certificates, every kind of proxy, VOMS proxies,
# and credentials that must be refused.
#
#   tests/pki.sh DIR          DIR is wiped first; takes about 6 s
#
# Public tools only: openssl (3 or newer), grid-proxy-init (globus-proxy-utils), voms-proxy-fake (voms-clients).
#
#   certificates/             X509_CERT_DIR: <hash>.0, .r0 (CRL), .signing_policy under both OpenSSL hash names
#   vomsdir/test.vo/*.lsc     X509_VOMS_DIR
#   hostcert.pem hostkey.pem  the service; its names are localhost, the machine's own name and the loopback addresses
#   usercert.pem userkey.pem  a person: /C=IT/O=Test Grid/CN=Test User
#   user2cert.pem …           another person: …/CN=Test User 2
#   proxy-KIND.pem            certificate, key and chain in one file, mode 0600 (X509_USER_PROXY):
#     good     rfc rfc-limited rfc2 draft legacy legacy-limited voms voms-admin voms-legacy user2 voms-user2
#              voms-other (of another VO, other.vo)
#     refused  independent expired forged evil revoked bad-pathlen
set -eEuo pipefail

OUT=${1:?usage: pki.sh DIR}
HOST=localhost VO=test.vo VOMS_HOST=voms.example.org VOMS_PORT=15000 ORG="Test Grid"
BITS=2048 DAYS=3650 HOURS=240
MACHINE=$(hostname -f 2>/dev/null || hostname)

for tool in openssl grid-proxy-init voms-proxy-fake; do
  command -v "$tool" >/dev/null || { echo "pki.sh: $tool is missing: run make test, which installs it" >&2; exit 1; }
done

rm -rf "$OUT"; mkdir -p "$OUT"; OUT=$(cd "$OUT" && pwd); cd "$OUT"
exec 3>&2 >pki.log 2>&1
trap 'echo "pki.sh: a step failed, see $OUT/pki.log" >&3; tail -5 pki.log >&3' ERR
umask 077

# ca DIR CN: a self-signed CA, with its database in DIR/ca.
ca() {
  mkdir -p "$1/ca"
  openssl req -x509 -newkey rsa:$BITS -nodes -sha256 -days $DAYS -subj "/C=IT/O=$ORG/CN=$2" \
    -keyout "$1/ca/cakey.pem" -out "$1/ca/cacert.pem" -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign -addext subjectKeyIdentifier=hash
  : >"$1/ca/index.txt"; echo 01 >"$1/ca/crlnumber"
  printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s\ncrlnumber=%s\ndefault_md=sha256\ndefault_crl_days=%s\n' \
    "$1/ca/index.txt" "$1/ca/crlnumber" $DAYS >"$1/ca/ca.cnf"
}

caof() { local d=$1; shift
  openssl ca -config "$d/ca/ca.cnf" -keyfile "$d/ca/cakey.pem" -cert "$d/ca/cacert.pem" "$@"; }

# anchors DIR CN: writes DIR/certificates with the CA, its present CRL and its signing policy.
anchors() {
  mkdir -p "$1/certificates"
  caof "$1" -gencrl -out "$1/ca/crl.pem"
  local option hash
  for option in -subject_hash -subject_hash_old; do
    hash=$(openssl x509 -in "$1/ca/cacert.pem" -noout $option)
    cp "$1/ca/cacert.pem" "$1/certificates/$hash.0"
    cp "$1/ca/crl.pem" "$1/certificates/$hash.r0"
    printf "access_id_CA   X509    '/C=IT/O=%s/CN=%s'\npos_rights     globus  CA:sign\ncond_subjects  globus  '\"/C=IT/O=%s/*\"'\n" \
      "$ORG" "$2" "$ORG" >"$1/certificates/$hash.signing_policy"
  done
  chmod -R a+rX "$1/certificates"
}

# leaf CADIR NAME SUBJECT EXTENSIONS: NAMEkey.pem and NAMEcert.pem.
leaf() {
  openssl req -new -newkey rsa:$BITS -nodes -sha256 -subj "$3" -keyout "$2key.pem" -out "$2.csr"
  openssl x509 -req -in "$2.csr" -CA "$1/ca/cacert.pem" -CAkey "$1/ca/cakey.pem" -CAserial "$1/ca/ser" -CAcreateserial \
    -sha256 -days $DAYS -out "$2cert.pem" \
    -extfile <(printf 'basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n%b' "$4")
  rm -f "$2.csr"; chmod 400 "$2key.pem"; chmod 444 "$2cert.pem"
}

# proxy KIND CERT KEY OPTIONS…: by Globus' own tool. It proves its work against a CA directory, hence X509_CERT_DIR.
proxy() { local kind=$1 cert=$2 key=$3; shift 3
  grid-proxy-init -q -cert "$cert" -key "$key" -bits $BITS -hours $HOURS -out "proxy-$kind.pem" "$@"; }

# rawproxy KIND CN DAYS PROXYCERTINFO: an RFC proxy of the user by plain openssl, for what Globus' tool will not make.
rawproxy() { local out=proxy-$1.pem
  openssl req -new -newkey rsa:$BITS -nodes -subj "/C=IT/O=$ORG/CN=Test User/CN=$2" -keyout "$out.key" -out "$out.csr"
  openssl x509 -req -in "$out.csr" -CA usercert.pem -CAkey userkey.pem -set_serial "$2" -days "$3" -sha256 -out "$out.crt" \
    -extfile <(printf 'keyUsage=critical,digitalSignature\nproxyCertInfo=critical,%s\n' "$4")
  cat "$out.crt" "$out.key" usercert.pem >"$out"; rm -f "$out".key "$out".csr "$out".crt
}

# voms KIND WHO "FQAN FQAN…" OPTIONS…: a VOMS proxy; voms-proxy-fake signs the attribute certificate here.
voms() { local kind=$1 who=$2 fqan list=() ; for fqan in $3; do list+=(-fqan "$fqan"); done; shift 3
  voms-proxy-fake -cert "${who}cert.pem" -key "${who}key.pem" -certdir certificates -bits $BITS -hours $HOURS \
    -vomslife $HOURS -hostcert vomscert.pem -hostkey vomskey.pem -uri "$VOMS_HOST:$VOMS_PORT" -voms $VO \
    "${list[@]}" -out "proxy-$kind.pem" "$@"; }

KU='keyUsage=critical,digitalSignature,keyEncipherment\n'
ca "$OUT" "Test CA"
leaf . host "/C=IT/O=$ORG/CN=$HOST" \
  "${KU}extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:$HOST,DNS:$MACHINE,DNS:$(hostname),IP:127.0.0.1,IP:::1\n"
leaf . voms "/C=IT/O=$ORG/CN=$VOMS_HOST" "${KU}extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:$VOMS_HOST\n"
leaf . user "/C=IT/O=$ORG/CN=Test User" "${KU}extendedKeyUsage=clientAuth\n"
leaf . user2 "/C=IT/O=$ORG/CN=Test User 2" "${KU}extendedKeyUsage=clientAuth\n"
leaf . revoked "/C=IT/O=$ORG/CN=Revoked User" "${KU}extendedKeyUsage=clientAuth\n"
# The proxy of the revoked person is made while nobody knows yet.
anchors "$OUT" "Test CA"
export X509_CERT_DIR=$OUT/certificates X509_VOMS_DIR=$OUT/vomsdir
proxy revoked revokedcert.pem revokedkey.pem -rfc
caof "$OUT" -revoke revokedcert.pem
anchors "$OUT" "Test CA"

proxy rfc usercert.pem userkey.pem -rfc
proxy rfc-limited usercert.pem userkey.pem -rfc -limited
proxy rfc2 proxy-rfc.pem proxy-rfc.pem -rfc
proxy draft usercert.pem userkey.pem -draft
proxy legacy usercert.pem userkey.pem -old
proxy legacy-limited usercert.pem userkey.pem -old -limited
proxy user2 user2cert.pem user2key.pem -rfc
proxy independent usercert.pem userkey.pem -rfc -independent

# .lsc: subject, then issuer, of the attribute authority's certificate in OpenSSL's one-line form.
mkdir -p vomsdir/$VO
for name in subject issuer; do
  openssl x509 -in vomscert.pem -noout -$name -nameopt compat | sed "s/^$name= *//"
done >vomsdir/$VO/$VOMS_HOST.lsc
echo "\"$VO\" \"$VOMS_HOST\" \"$VOMS_PORT\" \"/C=IT/O=$ORG/CN=$VOMS_HOST\" \"$VO\"" >vomses
chmod -R a+rX vomsdir vomses
voms voms user "/$VO /$VO/Role=admin" -rfc
# The holder of an attribute certificate may be named by subject (above) or by issuer and serial (-newformat).
voms voms-admin user "/$VO/Role=admin /$VO" -rfc -newformat
voms voms-legacy user "/$VO /$VO/Role=admin" -proxyver 2
voms voms-user2 user2 "/$VO" -rfc
cp -r vomsdir/$VO vomsdir/other.vo
VO=other.vo voms voms-other user2 /other.vo -rfc

# What must be refused. pCPathLen 0 allows no further proxy below it; grid-proxy-init cannot make one.
rawproxy pl0 4242 3 language:id-ppl-inheritAll,pathlen:0
proxy bad-pathlen proxy-pl0.pem proxy-pl0.pem -rfc || {
  # Newer tools refuse to sign it: an empty file would prove nothing, so stop.
  [ -s proxy-bad-pathlen.pem ]; }
rawproxy expired 4343 -1 language:id-ppl-inheritAll
# A foreign CA that signs for the same name; and its proxy under the true user's certificate: the names fit, the key does not.
ca "$OUT/evilca" "Evil CA"; anchors "$OUT/evilca" "Evil CA"
leaf evilca evilca/user "/C=IT/O=$ORG/CN=Test User" "$KU"
X509_CERT_DIR=$OUT/evilca/certificates proxy evil evilca/usercert.pem evilca/userkey.pem -rfc
awk '/BEGIN CERTIFICATE/ { n++ } n < 2' proxy-evil.pem >proxy-forged.pem
cat usercert.pem >>proxy-forged.pem
chmod 600 proxy-*.pem
for kind in rfc rfc-limited rfc2 draft legacy legacy-limited voms voms-admin voms-legacy user2 voms-user2 voms-other \
            independent expired forged evil revoked bad-pathlen; do
  [ -s "proxy-$kind.pem" ]
done
