# The app on a CPU, at http://localhost:7860:  docker build -t dgrl . && docker run --rm -p 7860:7860 dgrl
FROM python:3.12-slim

# PyTorch's own index has builds without CUDA, which PyPI does not; they save four gigabytes.
RUN pip install --no-cache-dir --no-compile torch torchvision --index-url https://download.pytorch.org/whl/cpu

WORKDIR /app
COPY pyproject.toml setup.py README.md LICENSE app.py ./
COPY dgrl dgrl
RUN pip install --no-cache-dir --no-compile '.[app]' && rm -rf build dgrl dgrl.egg-info

RUN useradd --create-home dgrl
USER dgrl
ENV GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False \
    PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
CMD ["python", "app.py"]
