"""A Hugging Face Hub on 127.0.0.1 that serves repositories from memory, in the layout of the real one.

It answers what ``huggingface_hub`` asks when it downloads a snapshot: which commit a revision is, the files of that
commit, and each file. As on the real Hub, a repository that was renamed redirects to its new name, small files are
served by the Hub itself, and large ones by another host to which the Hub redirects.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote, urlsplit

LARGE = (".safetensors", ".bin", ".h5", ".msgpack", ".onnx", ".parquet")
"""Suffixes that repositories of the Hub keep in Git LFS."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository.

    Attributes:
        content: The file's bytes.
        is_large: True for a file in Git LFS.
    """

    content: bytes
    is_large: bool

    @property
    def blob(self) -> str:
        """Return the SHA-1 of the Git blob."""
        header = f"blob {len(self.content)}\0".encode()
        return hashlib.sha1(header + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        """Return the digest that names the file in Git LFS."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        """Return the entity tag, by which the client names the file in its cache."""
        return self.sha256 if self.is_large else self.blob

    def entry(self, path: str) -> dict[str, Any]:
        """Return the file's entry in the listing of a commit."""
        entry = {"type": "file", "path": path, "size": len(self.content), "oid": self.blob}
        if self.is_large:
            large = {"oid": self.sha256, "size": len(self.content), "pointerSize": 134}
            return entry | {"lfs": large}
        return entry


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at its only commit.

    Attributes:
        name: ``organisation/name``.
        kind: "models" or "datasets".
        files: The files by path.
    """

    name: str
    kind: str
    files: Mapping[str, HubFile]

    @property
    def commit(self) -> str:
        """Return the commit's hash."""
        listing = "".join(f"{path} {file.blob}\n" for path, file in sorted(self.files.items()))
        return hashlib.sha1(listing.encode()).hexdigest()

    @property
    def prefix(self) -> str:
        """Return the path of the repository's pages."""
        return f"/{self.name}" if self.kind == "models" else f"/{self.kind}/{self.name}"

    def information(self) -> dict[str, Any]:
        """Return what the Hub says of the repository."""
        return {
            "_id": self.commit[:24],
            "id": self.name,
            "sha": self.commit,
            "private": False,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": [{"rfilename": path} for path in sorted(self.files)],
        }

    def listing(self) -> list[dict[str, Any]]:
        """Return the entries of every file and folder."""
        folders = sorted({path.rpartition("/")[0] for path in self.files} - {""})
        entries: list[dict[str, Any]] = [
            {"type": "directory", "path": folder, "size": 0, "oid": "0" * 40} for folder in folders
        ]
        return entries + [file.entry(path) for path, file in sorted(self.files.items())]


class LoopbackHub:
    """Repositories, and the requests for them.

    Attributes:
        url: What ``HF_ENDPOINT`` is set to while the Hub is served.
        requests: Method and path of every request, in order.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self._repositories: dict[tuple[str, str], Repository] = {}
        self._renamed: dict[tuple[str, str], str] = {}

    def publish(self, kind: str, name: str, files: Mapping[str, bytes]) -> Repository:
        """Add a repository.

        Args:
            kind: "models" or "datasets".
            name: ``organisation/name``.
            files: Contents by path.

        Returns:
            The repository.
        """
        contents = {path: HubFile(data, path.endswith(LARGE)) for path, data in files.items()}
        repository = Repository(name, kind, contents)
        self._repositories[kind, name] = repository
        return repository

    def rename(self, kind: str, old: str, new: str) -> None:
        """Redirect a former name to a repository.

        Args:
            kind: "models" or "datasets".
            old: The former name, such as ``xlm-roberta-base``.
            new: The name today, such as ``FacebookAI/xlm-roberta-base``.
        """
        self._renamed[kind, old] = new

    def downloads(self) -> list[str]:
        """Return the files of repositories that were fetched, by their path in the repository."""
        stored = {
            f"/storage/{file.sha256}": path
            for repository in self._repositories.values()
            for path, file in repository.files.items()
            if file.is_large
        }
        fetched = [path for method, path in self.requests if method == "GET"]
        direct = [p.split("/resolve/")[1].partition("/")[2] for p in fetched if "/resolve/" in p]
        return direct + [stored[path] for path in fetched if path in stored]

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve the repositories on a free port while the context lasts.

        Yields:
            The Hub's address.
        """
        hub = self

        class Handler(_Handler):
            def answer(self, *, with_body: bool) -> None:
                hub.requests.append((self.command, urlsplit(self.path).path))
                hub._answer(self, with_body=with_body)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self.url
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _answer(self, request: _Handler, *, with_body: bool) -> None:
        path = unquote(urlsplit(request.path).path)
        if path.startswith("/storage/"):
            self._send_stored(request, path.removeprefix("/storage/"), with_body=with_body)
            return
        parts = path.strip("/").split("/")
        in_api = parts[0] == "api"
        if in_api:
            parts = parts[1:]
        kind = parts.pop(0) if parts[0] in ("models", "datasets") else "models"
        name = self._name(kind, parts)
        target = self._renamed.get((kind, name))
        if target is not None:
            location = request.path.replace(quote(name), quote(target), 1)
            request.send(307, {"Location": location})
            return
        repository = self._repositories.get((kind, name))
        if repository is None:
            # The real Hub does not tell strangers whether a repository is private or absent.
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            request.send(401, headers)
            return
        rest = parts[name.count("/") + 1 :]
        if in_api:
            self._send_information(request, repository, rest, with_body=with_body)
        else:
            self._send_file(request, repository, rest, with_body=with_body)

    def _name(self, kind: str, parts: list[str]) -> str:
        """Return the repository that a path names: one without an organisation, or one with it."""
        single = parts[0]
        return single if (kind, single) in self._renamed else "/".join(parts[:2])

    def _send_information(
        self, request: _Handler, repository: Repository, rest: list[str], *, with_body: bool
    ) -> None:
        content = repository.listing() if rest[:1] == ["tree"] else repository.information()
        body = json.dumps(content).encode()
        request.send(200, {"Content-Type": "application/json"}, body, with_body=with_body)

    def _send_file(
        self, request: _Handler, repository: Repository, rest: list[str], *, with_body: bool
    ) -> None:
        commit = {"X-Repo-Commit": repository.commit}
        file = repository.files.get("/".join(rest[2:]))
        if rest[:1] != ["resolve"] or rest[1] not in ("main", repository.commit) or file is None:
            request.send(404, commit | {"X-Error-Code": "EntryNotFound"})
            return
        if file.is_large:
            # By another host name, as the real Hub does: the client must not follow with its token.
            stored = self.url.replace("127.0.0.1", "localhost")
            headers = {
                "Location": f"{stored}/storage/{file.sha256}",
                "X-Linked-Etag": f'"{file.sha256}"',
                "X-Linked-Size": str(len(file.content)),
            }
            request.send(302, commit | headers)
            return
        headers = commit | {"ETag": f'"{file.etag}"', "Content-Type": "application/octet-stream"}
        request.send(200, headers, file.content, with_body=with_body)

    def _send_stored(self, request: _Handler, digest: str, *, with_body: bool) -> None:
        contents = {
            file.sha256: file.content
            for repository in self._repositories.values()
            for file in repository.files.values()
            if file.is_large
        }
        headers = {"ETag": f'"{digest}"', "Content-Type": "application/octet-stream"}
        request.send(200, headers, contents[digest], with_body=with_body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, *, with_body: bool) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def send(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        with_body: bool = True,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the requests are recorded."""
