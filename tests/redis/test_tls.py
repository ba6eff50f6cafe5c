"""
TLS: the server is asked who it is, and who it is not costs a miss and no plain text.

The server of the tests speaks no TLS itself, so a small proxy before it does: real handshakes, with
certificates of an authority that the test makes.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import socket
import ssl
import threading

import pytest

from memotier import ConfigError, MultiLevelCache, tiered_cache
from memotier.errors import StoreError
from memotier.settings.urls import RedisUrl
from memotier.stores.redis.store import RedisStore

from ..stores.support import NAME, put, read
from .support import soon

pytestmark = pytest.mark.extras


class Authority:
    """
    Signs certificates for servers; *path* is its own.
    """

    def __init__(self, folder, name: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.folder, self.name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._own = self._certificate(name, self._key, is_authority=True)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(_pem(self._own))

    def server(self, host: str):
        """The file with certificate and key for *host*."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        path = self.folder / f"{self.name}-{host}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + _pem(self._certificate(host, key)))
        return path

    def _certificate(self, name: str, key, *, is_authority: bool = False):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import NameOID

        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)

        def named(text):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        made = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        if is_authority:
            uses = dict.fromkeys(
                (
                    *("digital_signature", "content_commitment", "key_encipherment"),
                    *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
                ),
                False,
            )
            usage = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **uses)
            made = made.add_extension(usage, critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            made = made.add_extension(names, critical=False)
        return made.sign(self._key, hashes.SHA256())


def _pem(certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


class TlsProxy:
    """
    Speaks TLS with clients and passes on what they say; *said* is what arrived before TLS stood.
    """

    def __init__(self, certificate, port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.shaken, self.refused = [], []
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client) -> None:
        try:
            client = self._context.wrap_socket(client, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self.refused.append(error)
            client.close()
            return
        self.shaken.append(client.version())
        server = socket.create_connection(("127.0.0.1", self._to))
        self._sockets += [client, server]
        threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
        self._pass(client, server)

    def _pass(self, source, sink) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.close()

    def close(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.close()


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    return Authority(folder, "ours"), Authority(folder, "theirs")


@pytest.fixture
def behind_tls(own_server):
    """
    ``behind_tls(certificate)``: a proxy with it before a server that has nobody else.
    """
    made = []

    def make(certificate):
        made.append(TlsProxy(certificate, own_server.port))
        return made[-1]

    yield make
    for one in made:
        one.close()


def url(proxy, authority, host="localhost", more=""):
    return f"rediss://{host}:{proxy.port}/0?ssl_ca_certs={authority.path}&socket_timeout=20{more}"


def test_everything_goes_through_tls(behind_tls, authorities, own_server, name):
    """
    Records, tokens, and the messages of what others invalidate.
    """
    ours, _ = authorities
    proxy = behind_tls(ours.server("localhost"))
    store, other = (RedisStore(RedisUrl(url(proxy, ours)), name=name) for _ in "12")
    put(store, "a")
    assert [b"record"] == read(other, "a")
    soon(lambda: store.watch.is_subscribed and other.watch.is_subscribed)
    before = bytes(store.board.cells)
    other.bump([NAME])
    soon(lambda: before != bytes(store.board.cells))

    # Those that ask, and those that listen.
    assert 4 <= len(proxy.shaken) and set(proxy.shaken) <= {"TLSv1.2", "TLSv1.3"}
    assert [] == proxy.refused
    assert 1 == own_server.run("EXISTS", f"mt1:{{{name}}}:tokens")
    store.close()
    other.close()


@pytest.mark.parametrize("what", ["authority", "host", "system"])
def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    behind_tls, authorities, own_server, name, what, caplog
):
    """
    Signed by another authority, or by ours for another host, or by none that the system knows:
    the function is called, the log says that the server cannot be reached, and no byte of a
    request has arrived.
    """
    ours, theirs = authorities
    signer, host = (theirs, "localhost") if what == "authority" else (ours, "localhost")
    proxy = behind_tls(signer.server("elsewhere.example" if what == "host" else host))
    there = url(proxy, ours)
    if what == "system":
        there = f"rediss://localhost:{proxy.port}/0?socket_timeout=20"
    cache = MultiLevelCache(redis_url=there, name=name)

    @tiered_cache(cache=cache, name="f")
    def f(x):
        return x

    with caplog.at_level(logging.WARNING, "memotier"):
        assert 1 == f(1)
    cache.sync.close()
    assert "cannot be reached" in caplog.text
    assert [] == proxy.shaken and proxy.refused
    assert 0 == own_server.run("DBSIZE")


@pytest.mark.parametrize("more", ["&ssl_check_hostname=false", "&ssl_cert_reqs=none"])
def test_who_asks_for_less_gets_less(behind_tls, authorities, name, more):
    """
    The options of the URL count: a certificate for another host will do then.
    """
    ours, _ = authorities
    proxy = behind_tls(ours.server("elsewhere.example"))
    store = RedisStore(RedisUrl(url(proxy, ours, more=more)), name=name)

    assert [True] == put(store, "a")
    store.close()


def test_plain_text_to_a_server_with_tls_fails(behind_tls, authorities, name):
    """
    It is an error of the store, which costs a miss.
    """
    ours, _ = authorities
    proxy = behind_tls(ours.server("localhost"))
    store = RedisStore(RedisUrl(f"redis://localhost:{proxy.port}/0?socket_timeout=20"), name=name)

    with pytest.raises(StoreError):
        read(store, "a")
    store.close()


def test_a_file_of_authorities_that_is_not_there(own_server, name, tmp_path):
    """
    A fault of the tier, as the file may come and go; its name is not hidden by a hang.
    """
    there = f"rediss://localhost:{own_server.port}/0?ssl_ca_certs={tmp_path}/none.pem"
    store = RedisStore(RedisUrl(there), name=name)

    with pytest.raises(StoreError):
        read(store, "a")
    store.close()


def test_valkeys_is_tls_too():
    """
    All names of the scheme mean the same, and what is unknown behind the ? is refused.
    """
    assert RedisUrl("rediss://h:1/0") == RedisUrl("valkeys://h:1/0")
    assert {"ssl_check_hostname": True} == RedisUrl("valkeys://h").tls
    assert {} == RedisUrl("redis://h").tls
    with pytest.raises(ConfigError, match="ssl_ca_certs"):
        RedisUrl("rediss://h?ssl_ca_cert=x")
